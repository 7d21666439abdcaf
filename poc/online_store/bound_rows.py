"""Turn Feast's rows into bound rows: write time, time to live, one row for each entity and moment.

The write time is the event time: Cassandra itself lets the newest event win, in whatever order rows arrive.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.config import LAST_EXPIRY, MAX_TTL_SECONDS
from poc.online_store.keys import written_key
from poc.online_store.latest import rank
from poc.online_store.layout import Column, RowLayout
from poc.online_store.types import EPOCH

Key = TypeVar("Key", bound=Hashable)
BoundRow = tuple[Any, ...]
FeastRow = tuple[EntityKey, Mapping[str, Value], datetime, datetime | None]
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND_US = 1000
_SECOND_US = 1_000_000
# A minute less: a node's clock may be ahead.
_LAST_EXPIRY = int(LAST_EXPIRY.timestamp()) - 60


def naive_utc(moment: datetime) -> datetime:
    """Return `moment` as the drivers bind it; Feast means UTC where there is no time zone."""
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)


def microseconds(moment: datetime) -> int:
    """Count the microseconds from 1970 to `moment` (naive UTC): Cassandra's unit of write times."""
    return (moment - EPOCH) // _MICROSECOND


def now_us() -> int:
    """Return the wall clock's microseconds since 1970."""
    return time.time_ns() // 1000


def whole_milliseconds(moment: datetime) -> datetime:
    """Round down to what a timestamp column keeps."""
    return moment.replace(microsecond=moment.microsecond // _MILLISECOND_US * _MILLISECOND_US)


def seconds_left(event_us: int, ttl_seconds: int, now_us: int) -> int:
    """Say how long a row has to live, counted from its event time; at most 0 for one past its time."""
    now = now_us // _SECOND_US
    # Only an event in the future could ask for more than Cassandra takes.
    most = min(MAX_TTL_SECONDS, _LAST_EXPIRY - now)
    return min(event_us // _SECOND_US + ttl_seconds - now, most)


def later_write_time(event_us: int, stored_us: int | None) -> int:
    """Return the write time, in µs, by which a row of `event_us` replaces one of the same event time whole.

    A time of whole milliseconds leaves 999 microseconds above it (docs/adr/0019). `stored_us` is when the row
    that is there was written; None for none.
    """
    above = -1 if stored_us is None else stored_us - event_us
    most = 0 if event_us % _MILLISECOND_US else _MILLISECOND_US - 2
    return event_us + above + 1 if 0 <= above <= most else event_us


def by_features(rows: Iterable[FeastRow]) -> Iterable[tuple[tuple[str, ...], list[FeastRow]]]:
    """Group rows by the features they carry: each group is one statement."""
    groups: dict[tuple[str, ...], list[FeastRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row[1]), []).append(row)
    return groups.items()


def latest_rows(rows: Iterable[FeastRow], key_of: Callable[[FeastRow], Key]) -> dict[Key, FeastRow]:
    """Return the latest row of each key, see `poc.online_store.latest`."""

    def place(row: FeastRow) -> tuple[int, bool, int]:
        event, created = naive_utc(row[2]), _known(row[3])
        return rank(microseconds(event), None if created is None else microseconds(created))

    # Rows of one place keep their order: the last of them is the latest.
    return {key_of(row): row for row in sorted(rows, key=place)}


def bound_rows(
    layout: RowLayout,
    features: Sequence[Column],
    rows: Iterable[FeastRow],
    ttl_seconds: int | None,
    now_us: int,
) -> list[BoundRow]:
    """Bind rows that all carry `features`, for `layout.insert(features, ttl_seconds is not None)`.

    Of several rows of one entity only the latest is kept. A row past its time to live is left out.

    Raises WrongValueType, ValueOutOfRange, NullJoinKey: a value that cannot be written.
    """
    bound: list[BoundRow] = []
    for key, row in latest_rows(rows, lambda row: written_key(layout.keys, row[0])).items():
        _, values, event, created = row
        event_at, created_at = naive_utc(event), _known(created)
        event_us = microseconds(event_at)
        left = () if ttl_seconds is None else (seconds_left(event_us, ttl_seconds, now_us),)
        if left and left[0] <= 0:
            continue
        content: list[Any] = [column.kind.bindable(column.field, values[column.field]) for column in features]
        times = (None if moment is None else whole_milliseconds(moment) for moment in (event_at, created_at))
        bound.append((*key, *content, *times, event_us, *left))
    return bound


def _known(created: datetime | None) -> datetime | None:
    """Feast's push gives pandas' NaT, which is not even itself, for a missing created time."""
    return None if created is None or created != created else naive_utc(created)
