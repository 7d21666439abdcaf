"""Feast types and Cassandra columns: which column holds a type, and how one value crosses over.

Lists are frozen, each one cell: an empty one differs from none, and two writes of one time never merge.
"""

from collections.abc import Callable
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
        """Return the function from what the driver read, not None, to Feast's Value."""
        attribute, items = self.attribute, self.items
        if items is None:
            if self.timestamp:
                return lambda moment: Value(unix_timestamp_val=_seconds(moment))
            return lambda content: Value(**{attribute: content})
        if self.timestamp:
            return lambda moments: Value(**{attribute: items(val=list(map(_seconds, moments)))})
        return lambda content: Value(**{attribute: items(val=content)})

    def plain(self) -> "Callable[[Any], Any] | None":
        """Return the function from what the driver read, not None, to what Feast's `to_dict` gives of it.

        None where both are the same. Times are whole seconds there, UTC-aware.
        """
        if not self.timestamp:
            return None
        return _feast_moment if self.items is None else lambda moments: list(map(_feast_moment, moments))

    def bindable(self, field: str, value: Value) -> Any:
        """Return what the driver binds for `value`; None for a null.

        Raises WrongValueType, or ValueOutOfRange for a time that no client could read again.
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


def _seconds(moment: datetime) -> int:
    # cassandra-driver gives UTC without saying so, acsylla says it.
    return (moment.replace(tzinfo=None) - EPOCH) // _SECOND


def _moment(field: str, seconds: int) -> datetime:
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueOutOfRange(field, seconds, "seconds since 1970 are outside the years 1 to 9999")
    return EPOCH + timedelta(seconds=seconds)


# Names and column types of scalars, and the messages of their lists; the first word names it in Value.
_KINDS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "bytes": ("Bytes", "blob", protos.BytesList),
    "string": ("String", "text", protos.StringList),
    "int32": ("Int32", "int", protos.Int32List),
    "int64": ("Int64", "bigint", protos.Int64List),
    "double": ("Float64", "double", protos.DoubleList),
    "float": ("Float32", "float", protos.FloatList),
    "bool": ("Bool", "boolean", protos.BoolList),
    "unix_timestamp": ("UnixTimestamp", "timestamp", protos.Int64List),
}
COLUMN_TYPES: dict[ValueType, ColumnType] = {
    ValueType[stem.upper()]: ColumnType(name, cql, f"{stem}_val", timestamp=cql == "timestamp")
    for stem, (name, cql, _) in _KINDS.items()
} | {
    ValueType[f"{stem.upper()}_LIST"]: ColumnType(
        f"Array({name})", f"frozen<list<{cql}>>", f"{stem}_list_val", items, cql == "timestamp"
    )
    for stem, (name, cql, items) in _KINDS.items()
}

OF_COLUMN = {kind.cql: kind for kind in COLUMN_TYPES.values()}


def column_type(field: str, dtype: FeastType) -> ColumnType:
    """Return the column type of a declared field; UnsupportedType where Feast's is Invalid or unknown."""
    kind = COLUMN_TYPES.get(dtype.to_value_type())
    if kind is None:
        raise UnsupportedType(field, dtype, "has no column type")
    return kind


def key_type(field: str, dtype: FeastType) -> ColumnType:
    """Return the column type of a join key; UnsupportedType where Feast's is Invalid, unknown or a list."""
    kind = column_type(field, dtype)
    if kind.items is not None:
        raise UnsupportedType(field, dtype, "cannot be a join key")
    return kind
