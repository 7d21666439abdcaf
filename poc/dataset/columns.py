"""The columns of the prepared Parquet as they are declared: their types, and the limits of their values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, isfinite

import numpy as np
import pyarrow as pa

from poc.definitions import DECLARED_IN, Feature, FeatureSet, JoinKey
from poc.errors import InvalidDefinitions

# What the model is to predict. It is a column of a source, which may rename its own to that, and no feature.
LABEL = "is_fraud"
TIME = pa.timestamp("us", "UTC")
# The name the guide gives this column, for a source that does not declare one.
CREATED_TIMESTAMP = "created_timestamp"

_ARROW_TYPES = {
    "Bytes": pa.binary(),
    "String": pa.string(),
    "Bool": pa.bool_(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
    "UnixTimestamp": TIME,
}


def arrow_type(field: Feature | JoinKey) -> pa.DataType:
    """Return the Arrow type that holds a feature or join key.

    Raises InvalidDefinitions: it is declared without a usable type.
    """
    base = getattr(field.dtype, "base_type", None)
    known = _ARROW_TYPES.get(str(field.dtype if base is None else base))
    if known is None:
        what = "feature" if isinstance(field, Feature) else "join key"
        raise InvalidDefinitions(DECLARED_IN, f"{what} {field.name} has the type {field.dtype}")
    return known if base is None else pa.list_(known)


def value_types(definitions: FeatureSet, label: bool = True) -> dict[str, pa.DataType]:
    """Return the type of every column that the source must have, by its own name of it."""
    fields: tuple[Feature | JoinKey, ...] = (*definitions.join_keys, *definitions.features)
    types = {definitions.column(field.name): arrow_type(field) for field in fields}
    return types | ({definitions.column(LABEL): pa.int64()} if label else {})


def key_columns(definitions: FeatureSet) -> list[str]:
    """Return the source's own names of the join keys."""
    return [definitions.column(name) for name in definitions.key_names]


def time_columns(definitions: FeatureSet) -> tuple[str, str]:
    """Return the columns that tell when a record was true and, declared or not, when it was written."""
    created = definitions.created_timestamp_column
    return definitions.timestamp_column, CREATED_TIMESTAMP if created is None else created


def with_columns_of(others: Sequence[FeatureSet], definitions: FeatureSet) -> tuple[FeatureSet, list[str]]:
    """Return `definitions` with what `others` want of the same file, and which of that may lack a value."""
    from feast.types import UnixTimestamp

    own, further = {*value_types(definitions), *time_columns(definitions)}, dict[str, Feature]()
    optional = []
    for view in others:
        needed = {view.column(key.name): key.dtype for key in view.join_keys}
        for name, kind in (needed | {view.timestamp_column: UnixTimestamp}).items():
            further.setdefault(name, Feature(name, kind, "", {}))
        for item in view.features:
            column = view.column(item.name)
            further.setdefault(column, replace(item, name=column))
            optional.append(column)
    added = [item for name, item in further.items() if name not in own]
    return replace(definitions, features=(*definitions.features, *added)), sorted({*optional} - own)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one feature's values; None where there is none."""

    minimum: float | int | None = None
    maximum: float | int | None = None
    values: tuple[str, ...] | None = None

    @property
    def binary(self) -> bool:
        """Whether only 0 and 1 are allowed, so that true and false can stand for them."""
        return self.minimum == 0 and self.maximum == 1


def integer_range(kind: pa.DataType) -> tuple[int, int]:
    """Return the least and the greatest value of an integer type."""
    info = np.iinfo(kind.to_pandas_dtype())
    return int(info.min), int(info.max)


def read_limits(feature: Feature) -> Limits:
    """Read the tags `min`, `max` and `values` of `feature`.

    Raises InvalidDefinitions: a tag is no number, bounds what has no order, or leaves no value allowed.
    """
    minimum, maximum, listed = _bound(feature, "min"), _bound(feature, "max"), feature.tags.get("values")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise _invalid(feature, f"min={feature.tags['min']} and max={feature.tags['max']} allow nothing")
    if listed is None:
        return Limits(minimum, maximum)
    if not pa.types.is_string(arrow_type(feature)):
        raise _invalid(feature, f"values={listed!r} lists strings for a {feature.dtype}")
    values = tuple(value.strip() for value in listed.split(",") if value.strip())
    if not values:
        raise _invalid(feature, f"values={listed!r} allow nothing")
    return Limits(minimum, maximum, values)


def read_max_psi(feature: Feature) -> float | None:
    """Read the tag `max_psi`: the greatest drift of the feature's values; None where there is no limit.

    Raises InvalidDefinitions: it is no number above zero.
    """
    text = feature.tags.get("max_psi")
    if text is None:
        return None
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not (isfinite(limit) and limit > 0):
        raise _invalid(feature, f"max_psi={text!r} is no number above zero")
    return limit


def _bound(feature: Feature, tag: str) -> float | int | None:
    text = feature.tags.get(tag)
    if text is None:
        return None
    kind = arrow_type(feature)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise _invalid(feature, f"{tag}={text!r} bounds a {feature.dtype}, which is no number")
    try:
        exact = Fraction(text)
        if pa.types.is_floating(kind):
            return float(exact)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise _invalid(feature, f"{tag}={text!r} is no number") from None
    least, most = integer_range(kind)
    if exact > most if tag == "min" else exact < least:
        raise _invalid(feature, f"{tag}={text!r} allows nothing that a {feature.dtype} can be")
    return max(ceil(exact), least) if tag == "min" else min(floor(exact), most)


def _invalid(feature: Feature, reason: str) -> InvalidDefinitions:
    return InvalidDefinitions(DECLARED_IN, f"feature {feature.name}: tag {reason}")
