"""Feast types and Cassandra columns: which column holds a type, and how one value crosses over.

Lists are frozen: a frozen list is one cell, so an empty one differs from none, and two writes of the
same time stamp never merge into one list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from feast.protos.feast.types import Value_pb2 as protos
from feast.types import FeastType
from feast.value_type import ValueType

from poc.online_store.errors import UnsupportedType, ValueOutOfRange, WrongValueType

Value = protos.Value
# Shared by every null of every answer: never to be changed.
NULL = Value()
# What Feast writes for a missing timestamp: numpy's NaT as an integer.
NULL_SECONDS = -(2**63)
# Datetimes to and from the drivers are naive and mean UTC: both drivers bind them so.
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
MIN_SECONDS = -62135596800
MAX_SECONDS = 253402300799
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ColumnType:
    """How values of one Feast type are kept.

    Attributes:
        name: Feast's name of the type, for messages.
        cql: the column's type, as Cassandra itself writes it.
        attribute: the field of Feast's Value message that holds it.
        items: message of the list, for list types; None for scalars.
        timestamp: whether it holds times (Feast: whole seconds since 1970).
    """

    name: str
    cql: str
    attribute: str
    items: Callable[..., Any] | None = None
    timestamp: bool = False

    def decoder(self) -> Callable[[Any], Value]:
        """Give the function from what the driver read, not None, to Feast's Value."""
        return _decoder(self)

    def plain(self) -> "Callable[[Any], Any] | None":
        """Give the function from what the driver read, not None, to what Feast's `to_dict` gives of it.

        None where both are the same. Times are whole seconds there, UTC-aware.
        """
        if not self.timestamp:
            return None
        return _feast_moment if self.items is None else _feast_moments

    def bindable(self, field: str, value: Value) -> Any:
        """Give what the driver binds for `value`; None for a null.

        Raises:
            WrongValueType: it holds another type.
            ValueOutOfRange: a time outside the years 1 to 9999, which no client could read again.
        """
        kind = value.WhichOneof("val")
        if kind is None or kind == "null_val":
            return None
        if kind != self.attribute:
            raise WrongValueType(field, self.name, kind)
        content = getattr(value, kind)
        if self.items is not None:
            items = content.val
            return [_moment(field, item) for item in items] if self.timestamp else list(items)
        if self.timestamp:
            return None if content == NULL_SECONDS else _moment(field, content)
        return content


def _feast_moment(moment: datetime) -> datetime:
    return moment.replace(microsecond=0, tzinfo=timezone.utc)


def _feast_moments(moments: Sequence[datetime]) -> list[datetime]:
    return [_feast_moment(moment) for moment in moments]


def _naive(moment: datetime) -> datetime:
    # cassandra-driver gives UTC without saying so, acsylla says it.
    return moment.replace(tzinfo=None)


def _moment(field: str, seconds: int) -> datetime:
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueOutOfRange(field, seconds, "seconds since 1970 are outside the years 1 to 9999")
    return EPOCH + timedelta(seconds=seconds)


def _decoder(kind: ColumnType) -> Callable[[Any], Value]:
    attribute, items = kind.attribute, kind.items
    if items is None:
        if kind.timestamp:
            return lambda moment: Value(unix_timestamp_val=(_naive(moment) - EPOCH) // _SECOND)
        return lambda content: Value(**{attribute: content})
    if kind.timestamp:
        return lambda moments: Value(
            unix_timestamp_list_val=protos.Int64List(
                val=[(_naive(moment) - EPOCH) // _SECOND for moment in moments]
            )
        )
    return lambda content: Value(**{attribute: items(val=content)})


def _scalar(name: str, cql: str, attribute: str) -> ColumnType:
    return ColumnType(name, cql, attribute, timestamp=cql == "timestamp")


def _list(name: str, cql: str, attribute: str, items: Callable[..., Any]) -> ColumnType:
    return ColumnType(name, f"frozen<list<{cql}>>", attribute, items, timestamp=cql == "timestamp")


COLUMN_TYPES: dict[ValueType, ColumnType] = {
    ValueType.BYTES: _scalar("Bytes", "blob", "bytes_val"),
    ValueType.STRING: _scalar("String", "text", "string_val"),
    ValueType.INT32: _scalar("Int32", "int", "int32_val"),
    ValueType.INT64: _scalar("Int64", "bigint", "int64_val"),
    ValueType.DOUBLE: _scalar("Float64", "double", "double_val"),
    ValueType.FLOAT: _scalar("Float32", "float", "float_val"),
    ValueType.BOOL: _scalar("Bool", "boolean", "bool_val"),
    ValueType.UNIX_TIMESTAMP: _scalar("UnixTimestamp", "timestamp", "unix_timestamp_val"),
    ValueType.BYTES_LIST: _list("Array(Bytes)", "blob", "bytes_list_val", protos.BytesList),
    ValueType.STRING_LIST: _list("Array(String)", "text", "string_list_val", protos.StringList),
    ValueType.INT32_LIST: _list("Array(Int32)", "int", "int32_list_val", protos.Int32List),
    ValueType.INT64_LIST: _list("Array(Int64)", "bigint", "int64_list_val", protos.Int64List),
    ValueType.DOUBLE_LIST: _list("Array(Float64)", "double", "double_list_val", protos.DoubleList),
    ValueType.FLOAT_LIST: _list("Array(Float32)", "float", "float_list_val", protos.FloatList),
    ValueType.BOOL_LIST: _list("Array(Bool)", "boolean", "bool_list_val", protos.BoolList),
    ValueType.UNIX_TIMESTAMP_LIST: _list(
        "Array(UnixTimestamp)", "timestamp", "unix_timestamp_list_val", protos.Int64List
    ),
}


def column_type(field: str, dtype: FeastType) -> ColumnType:
    """Give the column type of a declared field.

    Raises:
        UnsupportedType: Feast's type is Invalid or unknown.
    """
    kind = COLUMN_TYPES.get(dtype.to_value_type())
    if kind is None:
        raise UnsupportedType(field, dtype)
    return kind


def key_type(field: str, dtype: FeastType) -> ColumnType:
    """Give the column type of a join key.

    Raises:
        UnsupportedType: Feast's type is Invalid, unknown or a list.
    """
    kind = column_type(field, dtype)
    if kind.items is not None:
        raise UnsupportedType(field, dtype, "cannot be a join key")
    return kind
