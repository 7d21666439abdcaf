"""The Arrow type of each column of the prepared Parquet, as the declarations want it."""

from pathlib import Path

import pyarrow as pa

from poc.dataset.label import LABEL
from poc.definitions import Feature, FeatureSet, JoinKey
from poc.errors import InvalidDefinitions

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


def arrow_type(feature: Feature | JoinKey) -> pa.DataType:
    """Return the Arrow type that holds a feature or a join key.

    Raises:
        InvalidDefinitions: the feature is declared without a usable type.
    """
    base = getattr(feature.dtype, "base_type", None)
    known = _ARROW_TYPES.get(str(feature.dtype if base is None else base))
    if known is None:
        raise InvalidDefinitions(Path("features.py"), f"feature {feature.name} has the type {feature.dtype}")
    return known if base is None else pa.list_(known)


def value_types(definitions: FeatureSet) -> dict[str, pa.DataType]:
    """Give the type of every column that the data must have: join key, features, label."""
    features = {feature.name: arrow_type(feature) for feature in definitions.features}
    return {definitions.join_key: pa.string()} | features | {LABEL: pa.int64()}


def created_timestamp_column(definitions: FeatureSet) -> str:
    """Name the column that tells when a record was written, declared or not."""
    declared = definitions.created_timestamp_column
    return CREATED_TIMESTAMP if declared is None else declared
