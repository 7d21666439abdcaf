"""The layout of Feast's own Cassandra store: a partition an entity, a row a feature, values as protobuf.

Makes by column exactly the bytes that Feast makes by value, and writes an entity's rows as one batch
on one partition: Cassandra applies that as one mutation, so an entity is never half written.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types import Value_pb2 as protos

from poc.online_store.arrow_columns import canonical, feast_values, python_values
from poc.online_store.bound_rows import BoundRow, FeastRow, microseconds, naive_utc, whole_milliseconds
from poc.online_store.errors import NullJoinKey, UnsupportedType, ValueOutOfRange, WrittenByAnotherEngine
from poc.online_store.naming import quoted, stock_table_name
from poc.online_store.types import ColumnType, Value

_STRING = protos.ValueType.STRING
# A double's and a float's field tag in Value, then its eight or four bytes (protobuf's wire format).
_PACKED = {"double_val": (struct.Struct("<cd"), b"\x29"), "float_val": (struct.Struct("<cf"), b"\x35")}
CELL_TIMES = "SELECT WRITETIME(value), event_ts FROM {table} LIMIT 100"
_TOLERANCE_US = 1_000_000


def stock_table(keyspace: str, project: str, view: str) -> str:
    """Name the stock store's table, as it does, for CQL."""
    return f"{quoted(keyspace)}.{quoted(stock_table_name(project, view))}"


def batch_insert(table: str, features: Sequence[str], timestamped: bool) -> str:
    """Build the statement that writes one entity.

    It binds the write time in µs (if `timestamped`), then for each feature its value, the entity key
    and the event time.
    """
    inserts = " ".join(
        f"INSERT INTO {table} (feature_name, value, entity_key, event_ts) VALUES ('{name}', ?, ?, ?);"
        for name in (feature.replace("'", "''") for feature in features)
    )
    return f"BEGIN UNLOGGED BATCH {'USING TIMESTAMP ? ' if timestamped else ''}{inserts} APPLY BATCH"


def write_times(table: str) -> tuple[str, str]:
    """SELECT when each feature of one entity key was written, and of several: name, µs, then the key."""
    select = f"SELECT feature_name, WRITETIME(value){{}} FROM {table} WHERE entity_key "
    return select.format("") + "= ?", select.format(", entity_key") + "IN ?"


def bound_entity(row: FeastRow, version: int) -> BoundRow:
    """Bind what Feast gives of one entity for a timestamped `batch_insert` of its features.

    Here and below `version` is the `entity_key_serialization_version`.
    """
    key, event = serialize_entity_key(row[0], version).hex(), naive_utc(row[2])
    cells = [(value.SerializeToString(), key, whole_milliseconds(event)) for value in row[1].values()]
    return microseconds(event), *(part for cell in cells for part in cell)


def entity_keys(columns: Mapping[str, tuple[ColumnType, pa.Array]], version: int) -> list[str]:
    """Serialize entity keys as `entity_key` does, of the type and the values of each join key.

    Raises:
        NullJoinKey: a value is missing.
        UnsupportedType: Feast's key encoding does not know the type.
        ValueOutOfRange: it has no room for an integer, as version 1 has for 32 bits.
    """
    serialize = entity_key({name: kind for name, (kind, _) in columns.items()}, version)
    parts = {name: python_values(array, kind, name) for name, (kind, array) in sorted(columns.items())}
    for name, values in parts.items():
        if None in values:
            raise NullJoinKey(name, values.count(None))
    try:
        return list(map(serialize, zip(*parts.values(), strict=True)))
    except struct.error as error:
        numbers = [(name, value) for name in parts for value in parts[name] if isinstance(value, int)]
        name, largest = max(numbers, key=lambda item: abs(item[1]))
        reason = "needs entity_key_serialization_version: 2 in feature_store.yaml"
        raise ValueOutOfRange(name, largest, reason) from error


def entity_key(kinds: Mapping[str, ColumnType], version: int) -> Callable[[tuple[Any, ...]], str]:
    """Return the function from join keys to one entity key as the store has it: hexadecimal text.

    It takes values in the order of the sorted names, of which `kinds` has the types, and does what
    `feast.infra.key_encoding_utils.serialize_entity_key` does.

    Raises UnsupportedType: Feast's key encoding does not know a type.
    """
    names = sorted(kinds)
    for name in names:
        if kinds[name].attribute not in _KEY_PACKERS:
            way_out = "Declare String, Bytes, Int32 or Int64 for it, or use the row store, which takes it."
            reason = "cannot be a join key in Feast's own stores"
            raise UnsupportedType(name, kinds[name].name, reason, way_out=way_out)
    head = b"".join(struct.pack("<I", _STRING) + name.encode() for name in names)
    packers = [_KEY_PACKERS[kinds[name].attribute] for name in names]

    def serialize(values: tuple[Any, ...]) -> str:
        parts = [pack(value, version) for pack, value in zip(packers, values, strict=True)]
        return (head + b"".join(parts)).hex()

    return serialize


def _sized(code: int, content: bytes) -> bytes:
    return struct.pack("<II", code, len(content)) + content


_KEY_PACKERS: dict[str, Callable[[Any, int], bytes]] = {
    "string_val": lambda value, _: _sized(_STRING, value.encode()),
    "bytes_val": lambda value, _: _sized(protos.ValueType.BYTES, value),
    "int32_val": lambda value, _: _sized(protos.ValueType.INT32, struct.pack("<i", value)),
    "int64_val": lambda value, version: _sized(
        protos.ValueType.INT64, struct.pack("<l" if version <= 1 else "<q", value)
    ),
}


def value_bytes(array: pa.Array, kind: ColumnType, field: str) -> list[bytes]:
    """Serialize a column of values as Feast's Value messages; a null is the empty message.

    Raises WrongValueType, ValueOutOfRange: values that do not fit the declared type.
    """
    plain = canonical(array, kind, field)
    if plain is None:
        return [value.SerializeToString() for value in feast_values(array, kind, field)]
    attribute, items = kind.attribute, kind.items
    if attribute in _PACKED:
        packer, tag = _PACKED[attribute]
        return [b"" if value is None else packer.pack(tag, value) for value in plain.to_pylist()]
    if items is not None:
        return [
            b"" if value is None else Value(**{attribute: items(val=value)}).SerializeToString()
            for value in plain.to_pylist()
        ]
    # Few distinct values are the rule for the other types: each is serialized once.
    encoded = plain.dictionary_encode()
    distinct = [Value(**{attribute: value}).SerializeToString() for value in encoded.dictionary.to_pylist()]
    return [b"" if index is None else distinct[index] for index in encoded.indices.to_pylist()]


def refuse_wall_clock_cells(
    view: str, table: str, cells: Iterable[tuple[int | None, datetime | None]]
) -> None:
    """Refuse to go on where a cell's write time, of what `CELL_TIMES` gave, is not its event time.

    Raises WrittenByAnotherEngine: Feast's own engine wrote there; writes at event time would be lost.
    """
    for written_us, event in cells:
        if written_us is None or event is None:
            continue
        if written_us > microseconds(naive_utc(event)) + _TOLERANCE_US:
            raise WrittenByAnotherEngine(view, table)
