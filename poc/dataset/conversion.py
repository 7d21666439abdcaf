"""Bring a column to the type that is declared for it, value by value where the type alone will not do.

A value that means nothing in the wanted type becomes null; the checks then say what stood there.
Nothing is rounded and nothing is guessed: 14.0 is a whole number, 14.5 is none.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import partial
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poc.dataset.columns import TIME

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE)
# Groups of thousands, where nothing else can be meant: 1,234 may be a decimal comma's.
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]+|[+-]?[0-9]{1,3}(,[0-9]{3}){2,}")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})"
    # Of seconds alone: 10.30 is half past ten to some, and to none 0.3 s past ten.
    r"(?:[T ]([0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.,]([0-9]{1,9}))?)?)?))?"
    r"(?: ?[Zz]| ?([+-])([0-9]{2}(?::?[0-9]{2})?))?"
)
_WHOLE_AS_FLOAT = r"^[0-9]+\.0+$"
# What a whole number of 64 bits stays below.
_DIGITS = 20
_VALUES_AT_A_TIME = 50_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def convert(column: pa.ChunkedArray, kind: pa.DataType, binary: bool = False) -> pa.ChunkedArray:
    """Return `column` as `kind`, null where a value means nothing in it; `binary` takes true for 1."""
    column = plain(column)
    if column.type == kind:
        return column
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type):
        # Finer than microseconds no store keeps.
        return convert_times(column).cast(kind, safe=False)
    numbers = pa.types.is_floating(kind) or (pa.types.is_integer(kind) and not binary)
    if numbers and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        try:
            # Only the step to 32-bit floats may round.
            return column.cast(kind, safe=not pa.types.is_float32(kind))
        except pa.ArrowInvalid:
            pass  # Some value does not fit: find out which.
    parse, _ = _meaning(kind, binary)
    # In parts, so that few of the values are Python's at a time.
    parts = (column.slice(start, _VALUES_AT_A_TIME) for start in range(0, len(column), _VALUES_AT_A_TIME))
    return pa.chunked_array([pa.array(map(parse, part.to_pylist()), kind) for part in parts], kind)


def convert_ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ids as text without surrounding spaces; an empty one is null.

    Text keeps its leading zeros. Where every id is a whole number written as a float, as pandas writes
    a column of integers that once had a gap, it loses its ".0".
    """
    ids = pc.utf8_trim_whitespace(convert(column, pa.string()))
    ids = pc.if_else(pc.equal(ids, ""), pa.scalar(None, pa.string()), ids)
    if pc.all(pc.match_substring_regex(ids, _WHOLE_AS_FLOAT)).as_py():
        ids = pc.replace_substring_regex(ids, r"\.0+$", "")
    return column if column.type == ids.type and column.equals(ids) else ids


def convert_times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return moments in UTC: naive ones are UTC, other zones are converted. Their precision stays."""
    column = plain(column)
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            return pc.assume_timezone(column, "UTC")
        return column if column.type.tz == "UTC" else column.cast(pa.timestamp(column.type.unit, "UTC"))
    if pa.types.is_integer(column.type):
        # Nothing says of what they are a count: Feast reads seconds in a feature alone.
        return pa.chunked_array([pa.nulls(len(column), TIME)])
    return convert(column, TIME)


def utc_times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return event times as `convert_times` does, in microseconds: finer no store keeps."""
    return convert_times(column).cast(TIME, safe=False)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return `column`, decoded where it is a dictionary's."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def with_column(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    """Return `table` with another column of that name in the same place."""
    return table.set_column(table.column_names.index(name), name, column)


def described(kind: pa.DataType) -> str:
    """Say what a value of `kind` is."""
    return _meaning(kind)[1]


def _meaning(kind: pa.DataType, binary: bool = False) -> tuple[Callable[[Any], Any], str]:
    """Return what reads a value as `kind`, and what such a value is."""
    if pa.types.is_integer(kind):
        whole = partial(_whole, bits=kind.bit_width, binary=binary)
        return whole, f"a whole number of {kind.bit_width} bits"
    if pa.types.is_list(kind):
        return partial(_elements, parse=_meaning(kind.value_type)[0]), f"a list of {kind.value_type}"
    return next(((parse, words) for holds, parse, words in _KINDS if holds(kind)), (_text, "text"))


def _whole(value: Any, bits: int, binary: bool) -> int | None:
    if isinstance(value, bool):
        return int(value) if binary else None
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            value = int(text) if len(text) < 40 else None
        elif binary and text.lower() in _FLAGS:
            value = int(_FLAGS[text.lower()])
        else:
            value = _decimal(text)
    if isinstance(value, float | Decimal):
        finite = isfinite(value)
        value = int(value) if finite and value == int(value) else None
    if not isinstance(value, int):
        return None
    return value if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) else None


def _plain_number(text: str) -> str | None:
    """Return the text of a number without groups of thousands; None where it is none."""
    if _GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text if _NUMBER.fullmatch(text) else None


def _decimal(text: str) -> Decimal | None:
    """Read a number as it stands: a float has no room for every whole number of 64 bits."""
    plain = _plain_number(text)
    try:
        value = None if plain is None else Decimal(plain)
    except InvalidOperation:
        return None  # An exponent that no Decimal has.
    # As an integer, the longest would take all memory.
    return value if value is not None and value.is_finite() and value.adjusted() < _DIGITS else None


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        text = _plain_number(value.strip())
        return None if text is None else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    # An integer beyond 2^53 may have no float that equals it.
    return number if isinstance(value, Decimal | float) or int(number) == value else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _FLAGS.get(str(value).strip().lower())


def _text(value: Any) -> str | None:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, Decimal):
        return str(int(value)) if value.is_finite() and value == int(value) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = read_time(value.strip())
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            # As Feast reads what is declared as UnixTimestamp.
            return _EPOCH + timedelta(seconds=value)
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
    except OverflowError:
        return None  # In UTC it is of no year from 1 to 9999.


def read_time(text: str) -> datetime | None:
    """Read an ISO 8601 time, alike on every Python: `fromisoformat` took less before 3.11. None for others.

    Nanoseconds are cut to microseconds. Without an offset it is UTC.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, sign, offset = found.groups()
    digits = re.sub("[^0-9]", "", f"{day}{clock or ''}")[:14].ljust(14, "0")
    zone = "+0000" if sign is None else f"{sign}{offset.replace(':', ''):0<4}"
    try:
        return datetime.strptime(f"{digits}.{(fraction or '0')[:6]}{zone}", "%Y%m%d%H%M%S.%f%z")
    except ValueError:
        return None


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


def _elements(value: Any, parse: Callable[[Any], Any]) -> list[Any] | None:
    if not isinstance(value, list):
        return None
    elements = [parse(element) for element in value]
    return None if None in elements else elements


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any], str], ...] = (
    (pa.types.is_floating, _number, "a number"),
    (pa.types.is_boolean, _flag, "true or false"),
    (pa.types.is_timestamp, _time, "a time (ISO 8601)"),
    (pa.types.is_binary, _bytes, "bytes"),
)
