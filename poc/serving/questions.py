"""What requests may say, derived from the features that are served now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, create_model

from poc.dataset.columns import read_limits
from poc.definitions import Feature, JoinKey, ServedFeatures
from poc.retrieval.source import EntityKey, FeatureSource, Value, python_type
from poc.serving.kept import Kept
from poc.serving.numbers import number, ranges

MAX_IDS = 100
MAX_ID_LENGTH = 256
MAX_TEXT_LENGTH = 1000
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
    """The join keys of one entity. `Questions` adds the fields."""

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


@dataclass(frozen=True, slots=True)
class Questions:
    """The requests for predictions by one service.

    Attributes:
        served: the service.
        prediction: the body of a request for one prediction.
        batch: the body of a request for several.
        overrides: the overrides in the first.
        rows: the field of `batch` that lists entities.
    """

    served: ServedFeatures
    prediction: type[PredictionRequest]
    batch: type[BatchRequest]
    overrides: type[Overrides]
    rows: str


class Asked:
    """The requests that fit what is served now.

    Args:
        declared: what the repository declares, for as long as the source is not open.
        features: the source.
    """

    def __init__(self, declared: ServedFeatures, features: "Kept[FeatureSource]") -> None:
        self._declared, self._features = declared, features
        self._questions = questions(declared)

    @property
    def served(self) -> ServedFeatures:
        """The served features."""
        source = self._features.latest
        return self._declared if source is None else source.served

    def questions(self) -> Questions:
        """Return the requests; the same object as long as the served features are the same."""
        served, known = self.served, self._questions
        if known.served is not served:
            known = self._questions = questions(served)
        return known


def questions(served: ServedFeatures) -> Questions:
    """Derive the requests that fit `served`."""
    keys = key_model(served.join_keys, "EntityRow", EntityRow)
    overrides = overrides_model(served)
    field = Field(
        default_factory=overrides,
        description="Values to judge by in place of the stored ones: what if?",
        examples=[example_overrides(served)],
    )
    prediction = _make(
        "PredictionRequestWithOverrides",
        __base__=(PredictionRequest, keys),
        __doc__=PredictionRequest.__doc__,
        overrides=(Annotated[overrides | None, BeforeValidator(partial(_unless_null, overrides))], field),
    )
    prediction.key_fields = keys.key_fields
    rows = f"{served.key_names[0]}s" if len(served.key_names) == 1 else ENTITY_ROWS
    return Questions(served, prediction, _batch_model(served, keys, rows), overrides, rows)


def _unless_null(default: Callable[[], Any], value: Any) -> Any:
    """Return `value`; a null says what leaving it out says, as many clients write it."""
    return default() if value is None else value


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


def _batch_model(served: ServedFeatures, row: type[EntityRow], rows: str) -> type[BatchRequest]:
    """Make the model of a request for several: of one join key the values, of several the rows."""
    single = len(served.join_keys) == 1
    item: Any = _key_annotation(served.join_keys[0]) if single else row

    rows_of_keys = [example_keys(served, place) for place in range(3)]
    examples = [next(iter(keys.values())) if single else keys for keys in rows_of_keys]
    field = Field(alias=rows, min_length=1, max_length=MAX_IDS, examples=[examples])
    asked: Any = (list[item], field)
    return create_model(
        "BatchRequest", __base__=BatchRequest, __doc__="Transactions to judge, each by itself.", asked=asked
    )


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
    taken: Any = others.get(python_type(key.dtype), Annotated[str, size])
    if key.dtype in (known := ranges()):
        taken = number(*known[key.dtype])
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
    if feature.dtype in (known := ranges()):
        kind, least, most = known[feature.dtype]
        least = least if limits.minimum is None else max(least, limits.minimum)
        most = most if limits.maximum is None else min(most, limits.maximum)
        return number(kind, least, most)
    if limits.values is not None:
        return Literal[limits.values]
    return {str: Annotated[str, Field(max_length=MAX_TEXT_LENGTH)], bool: bool}.get(
        python_type(feature.dtype)
    )
