"""What a request may say, derived from the feature definitions."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from poc.dataset.limits import read_limits
from poc.definitions import Feature, FeatureSet
from poc.retrieval.source import Value

if TYPE_CHECKING:
    from feast.types import FeastType

MAX_IDS = 100
MAX_ID_LENGTH = 100
MAX_TEXT_LENGTH = 1000
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127

TransactionId = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=MAX_ID_LENGTH), Field(examples=["12345"])
]


class Strict(BaseModel):
    """A body that is taken as it is: no unknown keys, no conversion, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Overrides(Strict):
    """Features of one request, in place of the stored ones. `overrides_model` adds the fields."""

    def values(self) -> dict[str, Value]:
        """Give the features that the request named."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class PredictionRequest(Strict):
    """One transaction to judge."""

    transaction_id: TransactionId
    overrides: Overrides


class BatchRequest(Strict):
    """Transactions to judge, each by itself."""

    transaction_ids: Annotated[
        list[TransactionId],
        Field(min_length=1, max_length=MAX_IDS, examples=[["12345", "67890", "11111"]]),
    ]


def prediction_request(definitions: FeatureSet) -> type[PredictionRequest]:
    """Make the model of a prediction request whose overrides are the features of `definitions`."""
    overrides = overrides_model(definitions)
    return create_model(
        "PredictionRequestWithOverrides",
        __base__=PredictionRequest,
        __doc__=PredictionRequest.__doc__,
        overrides=(
            overrides,
            Field(
                default_factory=overrides,
                description="Values to judge by in place of the stored ones: what if?",
                examples=[example_overrides(definitions)],
            ),
        ),
    )


def overrides_model(definitions: FeatureSet) -> type[Overrides]:
    """Make the model of overrides: each feature of `definitions` with its type and its tags' bounds.

    Features of types that JSON does not have (bytes, timestamps, lists) cannot be overridden.
    """
    fields: dict[str, Any] = {}
    for position, feature in enumerate(definitions.features):
        annotation = _annotation(feature)
        if annotation is not None:
            # A feature may have any name; a field of the same name could hide one of pydantic's own.
            field = Field(default=None, alias=feature.name, description=feature.description)
            fields[f"feature_{position}"] = (annotation, field)
    return create_model(
        "FeatureOverrides", __base__=Overrides, __doc__="Features and the values to judge by.", **fields
    )


def example_overrides(definitions: FeatureSet) -> dict[str, Value]:
    """Give overrides that are valid: the first feature whose tags state a value that is allowed."""
    for feature in definitions.features:
        limits = read_limits(feature)
        if limits.values is not None:
            return {feature.name: limits.values[0]}
        if limits.maximum is not None:
            return {feature.name: limits.maximum}
    return {}


def _annotation(feature: Feature) -> Any:
    from feast.types import Bool, Float32, Float64, Int32, Int64, String

    # What the type can hold is a bound as well: JSON's numbers know none.
    ranges: dict[FeastType, tuple[Any, float, float]] = {
        Int32: (int, -(2**31), 2**31 - 1),
        Int64: (int, -(2**63), 2**63 - 1),
        Float32: (float, -LARGEST_FLOAT32, LARGEST_FLOAT32),
        Float64: (float, -sys.float_info.max, sys.float_info.max),
    }
    limits = read_limits(feature)
    if feature.dtype in ranges:
        kind, least, most = ranges[feature.dtype]
        least = least if limits.minimum is None else max(least, limits.minimum)
        most = most if limits.maximum is None else min(most, limits.maximum)
        return Annotated[kind, Field(ge=least, le=most)]
    if feature.dtype == String:
        if limits.values is not None:
            return Literal[limits.values]
        return Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
    return bool if feature.dtype == Bool else None
