"""When each record was true, and when it was written: made where the data does not say, else not passed over.

A record lies on one of the last days before today at the hour of its payment, so nothing is in the
future, everything is within the features' ttl, and it stays so for some days. The moments depend on
the seed, the row's place and the date. A record that takes the place of another one does not come before
it: the online store keeps the later of two.

A file without event times gets made-up ones, so one that has its own must not pass for it: neither by a name
that is spelled otherwise, nor by one of its own choice. Only columns that nobody declared are looked at.
"""

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poc.dataset.columns import TIME, key_columns, time_columns, value_types
from poc.dataset.conversion import plain, with_column
from poc.dataset.generate import HOUR, uniform
from poc.dataset.parquet import Records
from poc.definitions import FeatureSet
from poc.errors import TimesMisnamed

# Of records that we stamp, for a view that has no ttl or a longer one.
LONGEST_AGE = timedelta(days=30)
# Hours are those of whole days, so records of yesterday are up to two days old before tomorrow.
SHORTEST_AGE = timedelta(days=2)
_WRITTEN_WITHIN = timedelta(minutes=1)
_DAYS_TO_SPARE = 9
_SECOND = 1_000_000
_PLACE = "__place"
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
# Both the event and its writing fit into the hour.
_LAST_SECOND_OF_EVENT = 3540

_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[ap]\.?m\.?)?"
# Dates as people and programs write them, whether or not the conversion reads them.
_DATE = "|".join(
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
        rf"([a-z]+,? )?({_DATE})(( |t|, ?){_CLOCK}{_ZONE})?",
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


def stamp(
    table: pa.Table, definitions: FeatureSet, now: datetime, seed: int, replaced: pa.Table | None = None
) -> pa.Table:
    """Fill in the event times that are missing or null.

    Args:
        table: records, each at a place that stays; the hour of the payment is used where there is one.
        replaced: timestamped records in whose place these come, if any.
    """
    count, span = table.num_rows, max(1, _age_limit(definitions).days - _DAYS_TO_SPARE)
    days = 1 + np.floor(uniform(seed, "event day", count) * span).astype(np.int64)
    seconds = np.floor(uniform(seed, "event second", count) * _LAST_SECOND_OF_EVENT).astype(np.int64)
    midnight = now.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    start = int(midnight.timestamp()) * _SECOND
    hours = _hours(table, definitions.column(HOUR), seed)
    moments = start - days * _DAY + hours * _HOUR + seconds * _SECOND
    if replaced is not None:
        moments = _not_before(_latest(table, replaced, definitions), moments, hours, now)
    return _filled(table, definitions.timestamp_column, pa.chunked_array([pa.array(moments).cast(TIME)]))


def stamp_created(table: pa.Table, definitions: FeatureSet, seed: int) -> pa.Table:
    """Fill in the times of writing that are missing or null: within a minute after the event."""
    delays = 1 + np.floor(uniform(seed, "writing delay", table.num_rows) * 59).astype(np.int64)
    event, name = time_columns(definitions)
    events = table.column(event).cast(TIME, safe=False)
    written = pc.add(events, pa.array(delays * _SECOND).cast(pa.duration("us")))
    # Beyond it Python has no time, and could not read back what was written.
    last = pa.scalar(datetime.max.replace(tzinfo=timezone.utc), TIME)
    return _filled(table, name, pc.if_else(pc.greater(written, last), last, written))


def without_current(table: pa.Table, definitions: FeatureSet) -> pa.Table:
    """Forget the times of each transaction's latest record; earlier ones keep theirs."""
    current = _is_current(table, definitions)
    for name in time_columns(definitions):
        if name in table.column_names:
            kept = pc.if_else(current, pa.scalar(None, table.schema.field(name).type), table.column(name))
            table = with_column(table, name, kept)
    return table


def out_of_date(table: pa.Table, definitions: FeatureSet, now: datetime) -> bool:
    """Tell whether a transaction's latest record has aged out, or any record lies in the future."""
    moments = table.column(definitions.timestamp_column)
    current = moments.filter(_is_current(table, definitions))
    utc_now = now.astimezone(timezone.utc)
    oldest_allowed = pa.scalar(utc_now - _age_limit(definitions), TIME)
    aged = pc.less(pc.min(current).cast(TIME), oldest_allowed).as_py()
    return bool(aged or pc.greater(pc.max(moments).cast(TIME), pa.scalar(utc_now, TIME)).as_py())


def _age_limit(definitions: FeatureSet) -> timedelta:
    if definitions.ttl is None:
        return LONGEST_AGE
    return max(SHORTEST_AGE, min(definitions.ttl, LONGEST_AGE))


def _hours(table: pa.Table, name: str, seed: int) -> NDArray[np.int64]:
    if name in table.column_names:
        kind = table.schema.field(name).type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return np.asarray(np.floor(table.column(name).to_numpy()) % 24, np.int64)
    return np.asarray(np.floor(uniform(seed, "event hour", table.num_rows) * 24), np.int64)


def _not_before(
    latest: pa.ChunkedArray, moments: NDArray[np.int64], hours: NDArray[np.int64], now: datetime
) -> NDArray[np.int64]:
    """Move what lies before `latest` to the record's next hour after it, or onto it where that is to come."""
    newest = int((now - _WRITTEN_WITHIN).timestamp()) * _SECOND
    bounds = latest.cast(TIME).cast(pa.int64()).fill_null(0).to_numpy()
    at_hour = bounds - bounds % _DAY + hours * _HOUR + moments % _HOUR
    following = np.where(at_hour < bounds, at_hour + _DAY, at_hour)
    following = np.where((bounds % _DAY // _HOUR == hours) | (following > newest), bounds, following)
    return np.where((moments < bounds) & (bounds <= newest), following, moments)


def _latest(table: pa.Table, of: pa.Table, definitions: FeatureSet) -> pa.ChunkedArray:
    """Return for each record of `table` its entity's latest moment in `of`; null where it has none."""
    keys, moment = key_columns(definitions), definitions.timestamp_column
    if any(table.schema.field(key).type != of.schema.field(key).type for key in keys):
        return pa.chunked_array([pa.nulls(table.num_rows, of.schema.field(moment).type)])
    latest = of.group_by(keys).aggregate([(moment, "max")])
    places = table.select(keys).append_column(_PLACE, pa.array(np.arange(table.num_rows)))
    joined = places.join(latest, keys=keys, join_type="left outer").sort_by(_PLACE)
    return joined.column(f"{moment}_max")


def _is_current(table: pa.Table, definitions: FeatureSet) -> pa.ChunkedArray:
    """Tell for each record whether it is its transaction's latest."""
    return pc.equal(table.column(definitions.timestamp_column), _latest(table, table, definitions))


def _filled(table: pa.Table, name: str, made: pa.ChunkedArray) -> pa.Table:
    if name not in table.column_names:
        return table.append_column(name, made)
    return with_column(table, name, pc.coalesce(table.column(name), made))


def require_times_named(records: Records, definitions: FeatureSet) -> None:
    """Refuse a person's records whose times would be passed over, and made-up ones put in their place.

    Raises TimesMisnamed.
    """
    if records.provenance.origin == "generated":
        return
    table, own = records.table, records.provenance.own_timestamps
    known = {*value_types(definitions), *time_columns(definitions)}
    others = [name for name in table.column_names if name not in known]
    for wanted in (definitions.timestamp_column, definitions.created_timestamp_column):
        event = wanted == definitions.timestamp_column
        if wanted is None or (own if event else wanted in table.column_names):
            continue
        found = {
            name: next(iter(table.column(name).drop_null().slice(length=1).to_pylist()), None)
            for name in others
            if _spelled(name) == _spelled(wanted) or (event and _holds_times(name, table.column(name)))
        }
        if found:
            # Only in what was prepared before there are both.
            before = event and wanted in table.column_names
            raise TimesMisnamed(records.path, wanted, found, before)


def _spelled(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _holds_times(name: str, column: pa.ChunkedArray) -> bool:
    """Tell whether most of what stands in a column is a date, with a time of day or without.

    What may be something else, as a bare number or time of day, is one where the name says so.
    """
    column = plain(column).drop_null()
    kind, named = column.type, _NAMED.search(name) is not None
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
    column = column.filter(pc.match_substring_regex(column, r"\S"))
    if _most(pc.match_substring_regex(column, _IS_TIME)):
        return True
    numbers = column.filter(pc.match_substring_regex(column, _IS_NUMBER))
    return named and (
        _most(pc.match_substring_regex(column, _IS_CLOCK))
        or (2 * len(numbers) > len(column) and _counted(pc.utf8_trim_whitespace(numbers)))
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
    return 2 * (pc.sum(holds).as_py() or 0) > len(holds)
