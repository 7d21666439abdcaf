"""Features read from the layout of Feast's own Cassandra store: a partition an entity, a row a feature."""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from cassandra.cluster import Session
from feast import FeatureView
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type

from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.connection import ConnectionSettings
from poc.online_store.keyed_reads import KEYS_PER_STATEMENT, Key, KeyedReads, Row
from poc.online_store.layout import key_columns
from poc.online_store.stock_layout import entity_key
from poc.online_store.types import COLUMN_TYPES, EPOCH
from poc.online_store.view_reader import Found, JoinKeys, ViewReader

_parse = Value.FromString
# Feast's own reading of these is the attribute itself, and costs ten times as much.
_SCALARS = frozenset(kind.attribute for kind in COLUMN_TYPES.values() if not (kind.items or kind.timestamp))
# A message that holds one of these and nothing else, by its first byte: the field's number and wire type.
_INT32, _INT64, _STRING, _DOUBLE, _FLOAT, _BOOL = 0x18, 0x20, 0x12, 0x29, 0x35, 0x38
_double, _float = struct.Struct("<d").unpack_from, struct.Struct("<f").unpack_from


class MessageReader(ViewReader):
    """A `ViewReader` of stored messages: any of them may be missing."""

    def __init__(self, view: FeatureView, features: Sequence[str]) -> None:
        self.keys = key_columns(view)
        self.names = tuple(features)
        self.key_names = tuple(column.field for column in self.keys)
        self.plain: tuple[Callable[[Any], Any] | None, ...] = (python_value,) * len(self.names)
        self.proto: tuple[Callable[[Any], Value], ...] = (_same,) * len(self.names)
        self.stored = (False,) * len(self.names)


class StockReader(MessageReader):
    """A `ViewReader` of the stock layout, in `table`, which is quoted and with its keyspace.

    Raises:
        UnsupportedType: a join key has a type that Feast cannot serialize.
        cassandra.InvalidRequest: there is no table.
    """

    def __init__(
        self,
        session: Session,
        table: str,
        view: FeatureView,
        features: Sequence[str],
        version: int,
        settings: ConnectionSettings,
        acsylla: AcsyllaReads | None = None,
    ) -> None:
        super().__init__(view, features)
        self.plain = (stored_value,) * len(self.names)
        self.proto = (_message,) * len(self.names)
        self.table = table
        self._places = {name: place for place, name in enumerate(self.names)}
        self._serialize = entity_key({column.field: column.kind for column in self.keys}, version)
        # Drivers take longer to make a datetime of each row than to read the rest of it.
        select = f"SELECT feature_name, value, toUnixTimestamp(event_ts){{}} FROM {table} WHERE entity_key "
        cql = select.format("") + "= ?", select.format(", entity_key") + "IN ?"
        self._reads = KeyedReads(session, cql, settings.read_concurrency, KEYS_PER_STATEMENT, acsylla)

    def _bind(self, keys: Sequence[JoinKeys]) -> Mapping[Key, JoinKeys]:
        return {(self._serialize(key),): key for key in keys}

    def _found(
        self, bound: Mapping[Key, JoinKeys], found: Mapping[Key, list[Row]]
    ) -> Mapping[JoinKeys, Found]:
        places, width = self._places, len(self.names)
        by_join_keys: dict[JoinKeys, Found] = {}
        for key, cells in found.items():
            values: list[Any] = [None] * (width + 1)
            known = False
            for name, content, moment in cells:
                place = places.get(name)
                if place is not None:
                    values[place], values[width], known = content, moment, True
            if known:
                if values[width] is not None:
                    values[width] = EPOCH + timedelta(milliseconds=values[width])
                by_join_keys[bound[key]] = tuple(values)
        return by_join_keys


def stored_value(content: bytes) -> Any:
    """Return what `python_value` does of the message in `content`, which is not made where it is plain.

    Source of the encoding: https://protobuf.dev/programming-guides/encoding/
    """
    size = len(content)
    if size > 1:
        first = content[0]
        if first == _DOUBLE and size == 9:
            return _double(content, 1)[0]
        if size == 2 and content[1] < 0x80:
            if first in (_INT64, _INT32):
                return content[1]
            if first == _BOOL:
                return content[1] != 0
        elif first == _STRING and size == content[1] + 2 < 0x82:
            return str(content[2:], "utf-8")
        elif first == _FLOAT and size == 5:
            return _float(content, 1)[0]
    return python_value(_parse(content))


def python_value(value: Value) -> Any:
    """Return a stored message as Feast's `to_dict` does; but a null that says so, 0 there, as None."""
    kind = value.WhichOneof("val")
    if kind in _SCALARS:
        return getattr(value, kind)
    return None if kind == "null_val" else feast_value_type_to_python_type(value)


def _message(content: bytes | None) -> Value:
    return Value() if content is None else _parse(content)


def _same(value: Value | None) -> Value:
    return Value() if value is None else value
