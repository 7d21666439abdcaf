"""What requests may say, derived from the features that are served now."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, create_model

from poc.dataset.columns import read_limits
from poc.definitions import Feature, JoinKey, ServedFeatures
from poc.retrieval.source import EntityKey, Value, python_type
from poc.serving.resources import FeatureResource

MAX_IDS = 100
MAX_ID_LENGTH = 256
MAX_TEXT_LENGTH = 1000
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
ENTITY_ROWS = "entity_rows"
# What it makes has fields, and here attributes, that no checker of types can know.
_make: Any = create_model


class Strict(BaseModel):
    """A body that is taken as it is: no unknown keys, no conversion, no NaN."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, frozen=True, val_json_bytes="base64"
    )


class Overrides(Strict):
    """Features of one request, in place of the stored ones. `overrides_model` adds the fields."""

    def values(self) -> dict[str, Value]:
        """Return the features that the request named."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class EntityRow(Strict):
    """The join keys of one entity. `RequestModels` adds the fields."""

    key_fields: ClassVar[tuple[str, ...]] = ()

    def key(self) -> EntityKey:
        """Return the keys' values, in the order of the service's join keys."""
        return tuple(getattr(self, field) for field in self.key_fields)


class PredictionRequest(EntityRow):
    """One transaction to judge."""

    overrides: Overrides


class BatchRequest(Strict):
    """Transactions to judge, each by itself: values of one join key, or rows of several."""

    asked: list[Any]

    def keys(self) -> list[EntityKey]:
        """Return the entities' keys, in their order."""
        return [item.key() if isinstance(item, EntityRow) else (item,) for item in self.asked]


@dataclass(frozen=True, slots=True, eq=False)
class RequestModels:
    """The requests for predictions by one service.

    Attributes:
        served: the service.
        prediction: the body of a request for one prediction, `overrides` what it may override.
        batch: the body of a request for several, `rows` its field that lists entities.
    """

    served: ServedFeatures
    prediction: type[PredictionRequest]
    batch: type[BatchRequest]
    overrides: type[Overrides]
    rows: str


class CurrentRequests:
    """The requests that fit what `features` serves now, or `declared` for as long as that is not open."""

    def __init__(self, declared: ServedFeatures, features: FeatureResource) -> None:
        self._declared, self._features = declared, features
        self._models = request_models(declared)

    @property
    def served(self) -> ServedFeatures:
        """The served features."""
        source = self._features.latest
        return self._declared if source is None else source.served

    def models(self) -> RequestModels:
        """Return the requests; the same object as long as the served features are the same."""
        served, known = self.served, self._models
        if known.served is not served:
            known = self._models = request_models(served)
        return known


def request_models(served: ServedFeatures) -> RequestModels:
    """Derive the requests that fit `served`."""
    keys = key_model(served.join_keys, "EntityRow", EntityRow)
    overrides = overrides_model(served)
    # A null says what leaving it out says, as many clients write it.
    unless_null = BeforeValidator(lambda value: overrides() if value is None else value)
    what_if = Field(
        default_factory=overrides,
        description="Values to judge by in place of the stored ones: what if?",
        examples=[example_overrides(served)],
    )
    prediction = _make(
        "PredictionRequestWithOverrides",
        __base__=(PredictionRequest, keys),
        __doc__=PredictionRequest.__doc__,
        overrides=(Annotated[overrides | None, unless_null], what_if),
    )
    prediction.key_fields = keys.key_fields
    # Of one join key a batch lists the values, of several the rows.
    single = len(served.join_keys) == 1
    item: Any = _key_annotation(served.join_keys[0]) if single else keys
    rows = f"{served.key_names[0]}s" if single else ENTITY_ROWS
    named = [example_keys(served, place) for place in range(3)]
    examples = [next(iter(row.values())) if single else row for row in named]
    listed = Field(alias=rows, min_length=1, max_length=MAX_IDS, examples=[examples])
    meaning = "Transactions to judge, each by itself."
    batch = _make("BatchRequest", __base__=BatchRequest, __doc__=meaning, asked=(list[item], listed))
    return RequestModels(served, prediction, batch, overrides, rows)


def key_model(keys: Sequence[JoinKey], name: str, base: type[BaseModel]) -> Any:
    """Make a model that has a field for each of `keys`.

    A join key may have any name; a field of the same name could hide one of pydantic's own.
    """
    fields: dict[str, Any] = {
        f"key_{place}": (_key_annotation(key), Field(alias=key.name)) for place, key in enumerate(keys)
    }
    made = _make(name, __base__=base, __doc__="The keys of one transaction.", **fields)
    made.key_fields = tuple(fields)
    return made


def example_keys(served: ServedFeatures, place: int = 0) -> dict[str, Any]:
    """Return join keys that a request might name."""
    return {key.name: _key_examples(key)[place] for key in served.join_keys}


def _key_examples(key: JoinKey) -> list[Any]:
    """Return three values of `key`, as JSON has them."""
    examples: dict[type, list[Any]] = {
        int: [12345, 67890, 11111],
        float: [1.5, 2.5, 3.5],
        bool: [True, False, True],
        datetime: ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z", "2026-01-01T14:00:00Z"],
        bytes: ["MTIzNDU=", "Njc4OTA=", "MTExMTE="],
    }
    return examples.get(python_type(key.dtype), ["12345", "67890", "11111"])


def _key_annotation(key: JoinKey) -> Any:
    """Return what a request may name as `key`: bytes in base64, times with their zone."""
    size = Field(min_length=1, max_length=MAX_ID_LENGTH)
    others = {bool: bool, datetime: AwareDatetime, bytes: Annotated[bytes, size]}
    taken: Any = _number(key) or others.get(python_type(key.dtype), Annotated[str, size])
    return Annotated[taken, Field(examples=_key_examples(key)[:1])]


def overrides_model(served: ServedFeatures) -> type[Overrides]:
    """Make the model of overrides: each feature of `served` with its type and its tags' bounds.

    Features of types that JSON does not have (bytes, timestamps, lists) cannot be overridden.
    """
    fields: dict[str, Any] = {}
    for position, feature in enumerate(served.features):
        annotation = _annotation(feature)
        if annotation is not None:
            # A feature may have any name, as a join key may.
            field = Field(default=None, alias=feature.name, description=feature.description)
            fields[f"feature_{position}"] = (annotation, field)
    return create_model(
        "FeatureOverrides", __base__=Overrides, __doc__="Features and the values to judge by.", **fields
    )


def example_overrides(served: ServedFeatures) -> dict[str, Value]:
    """Return overrides that are valid: the first feature whose tags state a value that is allowed."""
    for feature in served.features:
        limits = read_limits(feature)
        if limits.values is not None:
            return {feature.name: limits.values[0]}
        if limits.maximum is not None:
            return {feature.name: limits.maximum}
    return {}


def _annotation(feature: Feature) -> Any:
    limits = read_limits(feature)
    number = _number(feature, limits.minimum, limits.maximum)
    if number is None and limits.values is not None:
        return Literal[limits.values]
    others = {str: Annotated[str, Field(max_length=MAX_TEXT_LENGTH)], bool: bool}
    return number or others.get(python_type(feature.dtype))


def _number(item: Feature | JoinKey, minimum: float | None = None, maximum: float | None = None) -> Any:
    """Return the type of the numbers of `item` within bounds; None where it is no number.

    What the type can hold is a bound as well: JSON's numbers know none.
    """
    from feast.types import Float32, Float64, Int32, Int64

    largest = {Int32: 2**31 - 1, Int64: 2**63 - 1, Float32: LARGEST_FLOAT32, Float64: sys.float_info.max}
    if item.dtype not in largest:
        return None
    kind, most = python_type(item.dtype), largest[item.dtype]
    least = -most - 1 if kind is int else -most
    within = Field(
        ge=least if minimum is None else max(least, minimum),
        le=most if maximum is None else min(most, maximum),
    )
    # Bounds first: what comes after a validator is not in the schema.
    return Annotated[kind, within, BeforeValidator(_whole)] if kind is int else Annotated[kind, within]


def _whole(value: Any) -> Any:
    """Take 5.0 for the whole number that it is in JSON, and as pandas writes it."""
    # Beyond 2**53 a float may stand for another number than was written.
    is_whole = type(value) is float and value.is_integer() and abs(value) <= 2**53
    return int(value) if is_whole else value
