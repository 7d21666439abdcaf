"""Turn Feast's rows into bound rows: write time, time to live, one row for each entity and moment.

The write time is the event time, so that Cassandra itself lets the newest event win, in whatever
order rows arrive.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.config import LAST_EXPIRY, MAX_TTL_SECONDS
from poc.online_store.keys import written_key
from poc.online_store.layout import Column, RowLayout
from poc.online_store.types import EPOCH
from poc.online_store.writer import BoundRow

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


def by_features(rows: Iterable[FeastRow]) -> Iterator[tuple[tuple[str, ...], list[FeastRow]]]:
    """Group rows by the features they carry: each group is one statement."""
    groups: dict[tuple[str, ...], list[FeastRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row[1]), []).append(row)
    yield from groups.items()


def bound_rows(
    layout: RowLayout,
    features: Sequence[Column],
    rows: Iterable[FeastRow],
    ttl_seconds: int | None,
    now_us: int,
) -> list[BoundRow]:
    """Bind rows that all carry `features`, for `layout.insert(features, ttl_seconds is not None)`.

    Of several rows of one entity only the newest is kept (by event, then created time, then position):
    Cassandra would settle two writes of one time cell by cell, and mix them. A row past its time to
    live is left out.

    Raises:
        WrongValueType, ValueOutOfRange, NullJoinKey: a value that cannot be written.
    """
    newest: dict[BoundRow, tuple[tuple[int, int], BoundRow]] = {}
    for entity_key, values, event, created in rows:
        key = written_key(layout.keys, entity_key)
        event_at = naive_utc(event)
        created_at = None if created is None else naive_utc(created)
        event_us = microseconds(event_at)
        rank = (event_us, -(2**63) if created_at is None else microseconds(created_at))
        known = newest.get(key)
        if known is not None and known[0] > rank:
            continue
        content: list[Any] = [column.kind.bindable(column.field, values[column.field]) for column in features]
        created_at = None if created_at is None else whole_milliseconds(created_at)
        row = (*key, *content, whole_milliseconds(event_at), created_at, event_us)
        if ttl_seconds is not None:
            row += (seconds_left(event_us, ttl_seconds, now_us),)
        newest[key] = (rank, row)
    bound = [row for _, row in newest.values()]
    return bound if ttl_seconds is None else [row for row in bound if row[-1] > 0]
