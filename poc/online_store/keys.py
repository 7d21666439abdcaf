"""Join keys as parts of a partition key.

Cassandra refuses a partition key that is one empty text or blob, which Feast allows (the key of a view
without entities is one). A value of nothing but NULs, the empty one among them, is therefore kept
with one NUL more; every other value is kept as it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store.errors import NullJoinKey, ValueOutOfRange
from poc.online_store.layout import Column

# A partition key's most bytes; the server refuses a longer one instead of not finding it.
MAX_KEY_BYTES = 65535
# So many characters, of four bytes at most, are within the limit.
_ALWAYS_FIT = 16_000


def as_stored(value: Any) -> Any:
    """Return `value` as it is kept in a key column."""
    if value == "" or (isinstance(value, str) and value[0] == "\0" and not value.strip("\0")):
        return value + "\0"
    if value == b"" or (isinstance(value, bytes) and value[0] == 0 and not value.strip(b"\0")):
        return value + b"\0"
    return value


def column_as_stored(values: list[Any], column: Column) -> list[Any]:
    """Return a whole column as it is kept; NullJoinKey where a value is None."""
    missing = values.count(None)
    if missing:
        raise NullJoinKey(column.field, missing)
    return [as_stored(value) for value in values] if column.kind.cql in ("text", "blob") else values


def bound_key(columns: Sequence[Column]) -> Callable[[tuple[Any, ...]], tuple[Any, ...] | None]:
    """Return the function from join keys to what is bound for them; None for a key that is too long.

    It takes the values of `columns`, in their order, as Python has them.
    """
    long = [column.kind.cql in ("text", "blob") for column in columns]
    if long == [True]:
        return lambda key: bound if _fits(bound := (as_stored(key[0]),)) else None
    if not any(long):
        return lambda key: key
    return lambda key: bound if _fits(bound := tuple(map(as_stored, key))) else None


def join_keys(columns: Sequence[Column]) -> Callable[[EntityKey], tuple[Any, ...] | None]:
    """Return the function from Feast's entity key to join keys, in the order of `columns`.

    None for a key that no row can have: a value of another type finds nothing, as in every Feast store.
    """

    def read(key: EntityKey) -> tuple[Any, ...] | None:
        given = dict(zip(key.join_keys, key.entity_values, strict=True))
        parts = []
        for column in columns:
            value = given.get(column.field)
            if value is None or value.WhichOneof("val") != column.kind.attribute:
                return None
            try:
                parts.append(column.kind.bindable(column.field, value))
            except ValueOutOfRange:  # A time that no row can have.
                return None
        return None if None in parts else tuple(parts)

    return read


def written_key(columns: Sequence[Column], key: EntityKey) -> tuple[Any, ...]:
    """Return the bound key of a row to write.

    Raises WrongValueType, NullJoinKey: a value has another type than its join key, or there is none.
    """
    given = dict(zip(key.join_keys, key.entity_values, strict=True))
    parts = []
    for column in columns:
        value = given.get(column.field)
        content = None if value is None else column.kind.bindable(column.field, value)
        if content is None:
            raise NullJoinKey(column.field, 1)
        parts.append(as_stored(content))
    return tuple(parts)


def _fits(parts: Sequence[Any]) -> bool:
    if len(parts) == 1 and len(parts[0]) < _ALWAYS_FIT:
        return True
    sizes = [
        len(part.encode()) if isinstance(part, str) else len(part) if isinstance(part, bytes) else 8
        for part in parts
    ]
    # A key of several parts carries two bytes of length and one of end with each.
    return sum(sizes) + (3 * len(sizes) if len(sizes) > 1 else 0) <= MAX_KEY_BYTES
