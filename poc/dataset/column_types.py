"""The Arrow type of each column of the prepared Parquet, as the declarations want it."""

import pyarrow as pa

from poc.definitions import DECLARED_IN, Feature, FeatureSet, JoinKey
from poc.errors import InvalidDefinitions

# What the model is to predict. It is a column of a source, and no feature.
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
    return types | ({LABEL: pa.int64()} if label else {})


def key_columns(definitions: FeatureSet) -> list[str]:
    """Return the source's own names of the join keys."""
    return [definitions.column(name) for name in definitions.key_names]


def created_timestamp_column(definitions: FeatureSet) -> str:
    """Return the name of the column that tells when a record was written, declared or not."""
    declared = definitions.created_timestamp_column
    return CREATED_TIMESTAMP if declared is None else declared


def time_columns(definitions: FeatureSet) -> tuple[str, str]:
    """Return the names of the columns that tell when a record was true, and when it was written."""
    return definitions.timestamp_column, created_timestamp_column(definitions)
