"""Timestamps for data that has none: when each record was true, and when it was written.

A record lies on one of the last days before today at the hour of its payment, so nothing is in the
future, everything is within the features' ttl, and it stays so for some days. The moments depend on
the seed, the row's place and the date. A record that takes the place of another one does not come before
it: the online store keeps the later of two.
"""

from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poc.dataset.column_types import TIME, created_timestamp_column, key_columns
from poc.dataset.generate import HOUR, uniform
from poc.definitions import FeatureSet

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
    name = created_timestamp_column(definitions)
    delays = 1 + np.floor(uniform(seed, "writing delay", table.num_rows) * 59).astype(np.int64)
    events = table.column(definitions.timestamp_column).cast(TIME, safe=False)
    written = pc.add(events, pa.array(delays * _SECOND).cast(pa.duration("us")))
    # Beyond it Python has no time, and could not read back what was written.
    last = pa.scalar(datetime.max.replace(tzinfo=timezone.utc), TIME)
    return _filled(table, name, pc.if_else(pc.greater(written, last), last, written))


def without_current(table: pa.Table, definitions: FeatureSet) -> pa.Table:
    """Forget the times of each transaction's latest record; earlier ones keep theirs."""
    current = _is_current(table, definitions)
    for name in (definitions.timestamp_column, created_timestamp_column(definitions)):
        if name in table.column_names:
            kept = pc.if_else(current, pa.scalar(None, table.schema.field(name).type), table.column(name))
            table = _replaced(table, name, kept)
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
    return _replaced(table, name, pc.coalesce(table.column(name), made))


def _replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
