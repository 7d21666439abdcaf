"""Times that a person's file has under another name than the one they are looked for.

A file without event times gets made-up ones, so one that has its own must not pass for it: neither by a name
that is spelled otherwise, nor by one of its own choice. Only columns that nobody declared are looked at.
"""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poc.dataset.column_types import created_timestamp_column, value_types
from poc.dataset.sources import Records
from poc.definitions import FeatureSet
from poc.errors import TimesMisnamed

_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[ap]\.?m\.?)?"
# Dates as people and programs write them, whether or not the conversion reads them.
_DAY = "|".join(
    (
        r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}|[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}",
        r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}",
        rf"[0-9]{{1,2}}[ -]{_MONTH}[ -][0-9]{{2,4}}",
        rf"{_MONTH} [0-9]{{1,2}},? [0-9]{{4}}",
    )
)
_ZONE = r" ?(z|utc|gmt|[+-][0-9]{2}:?([0-9]{2})?)?"
_DATED = "|".join(
    (
        rf"([a-z]+,? )?({_DAY})(( |t|, ?){_CLOCK}{_ZONE})?",
        rf"[0-9]{{8}}[t ][0-9]{{4,6}}([.,][0-9]+)?{_ZONE}",
        rf"[a-z]{{3}} {_MONTH} +[0-9]{{1,2}} {_CLOCK}( [a-z]+)? [0-9]{{4}}",
    )
)
_IS_TIME = rf"(?i)^\s*({_DATED})\s*$"
_IS_CLOCK = rf"(?i)^\s*{_CLOCK}\s*$"
_IS_NUMBER = r"^\s*[0-9]+(\.[0-9]+)?\s*$"
# What else a number can be; only beside a name like these is it a time.
_NAMED = re.compile(r"time|date|stamp|epoch|(^|[^a-z])(at|dt|ts|when|day)([^a-z]|$)", re.IGNORECASE)
# From 2000 to 2100: days as spreadsheets count them, days as digits, and seconds to nanoseconds from 1970.
_COUNTED = (
    (36_526, 73_051),
    (20_000_101, 21_000_101),
    *((946_684_800 * unit, 4_102_444_800 * unit) for unit in (1.0, 1e3, 1e6, 1e9)),
)


def require_times_named(records: Records, definitions: FeatureSet) -> None:
    """Refuse a person's records whose times would be passed over, and made-up ones put in their place.

    Raises TimesMisnamed.
    """
    if records.provenance.origin == "generated":
        return
    table, own = records.table, records.provenance.own_timestamps
    times = {definitions.timestamp_column, created_timestamp_column(definitions)}
    known = {*value_types(definitions), *times}
    others = [name for name in table.column_names if name not in known]
    for wanted in (definitions.timestamp_column, definitions.created_timestamp_column):
        event = wanted == definitions.timestamp_column
        if wanted is None or (own if event else wanted in table.column_names):
            continue
        found = {
            name: _first(table.column(name))
            for name in others
            if _spelled(name) == _spelled(wanted) or (event and _holds_times(name, table.column(name)))
        }
        if found:
            # Only in what was prepared before there are both.
            before = event and wanted in table.column_names
            raise TimesMisnamed(records.path, wanted, found, before)


def _spelled(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _first(column: pa.ChunkedArray) -> Any:
    return next((value.as_py() for value in column if value.is_valid), None)


def _holds_times(name: str, column: pa.ChunkedArray) -> bool:
    """Tell whether most of what stands in a column is a date, with a time of day or without.

    What may be something else, as a bare number or time of day, is one where the name says so.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    column = column.drop_null()
    named = _NAMED.search(name) is not None
    if len(column) == 0:
        return False
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return True
    if pa.types.is_time(kind):
        return named
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return named and _counted(column)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    present = column.filter(pc.match_substring_regex(column, r"\S"))
    if len(present) == 0:
        return False
    if _most(pc.match_substring_regex(present, _IS_TIME)):
        return True
    if not named:
        return False
    numbers = present.filter(pc.match_substring_regex(present, _IS_NUMBER))
    return _most(pc.match_substring_regex(present, _IS_CLOCK)) or (
        2 * len(numbers) > len(present) and _counted(pc.utf8_trim_whitespace(numbers))
    )


def _counted(numbers: pa.ChunkedArray) -> bool:
    """Tell whether most of `numbers` count, from some day on, to times of this century."""
    values = numbers.cast(pa.float64(), safe=False)
    return any(
        _most(pc.and_(pc.greater_equal(values, first), pc.less_equal(values, last)))
        for first, last in _COUNTED
    )


def _most(holds: pa.ChunkedArray) -> bool:
    """Tell whether more than half are true."""
    return bool(pc.mean(holds.cast(pa.float64())).as_py() > 0.5)
