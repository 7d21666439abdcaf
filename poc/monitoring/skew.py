"""Differences between what a store gives of a transaction and what the offline data says of it.

A NaN is a null, as everywhere at serving time. Times are compared to the precision that their store keeps:
milliseconds, and whole seconds for features that are times in Feast's stores.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from poc.retrieval.lookup import Stored

_MILLISECOND = 1000
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Skew:
    """One value that a store gives otherwise than the offline data.

    Attributes:
        transaction_id: whose it is.
        column: the feature's name, or the event time's column; None where the store has no such
            transaction.
        online: what the store gave.
        offline: what the offline data says.
    """

    transaction_id: str
    column: str | None
    online: object
    offline: object

    def __str__(self) -> str:
        if self.column is None:
            return f"{self.transaction_id}: missing online"
        return f"{self.transaction_id}.{self.column}: online {self.online!r}, offline {self.offline!r}"


def differences(
    transaction_id: str,
    online: Stored,
    values: Mapping[str, object],
    event_time: datetime,
    event_column: str,
) -> list[Skew]:
    """List where a stored transaction is not exactly the offline one: event time, then declared order."""
    moment, stored = online
    found = []
    if moment != _cut(event_time, _MILLISECOND):
        found.append(Skew(transaction_id, event_column, moment, event_time))
    found += [
        Skew(transaction_id, name, stored.get(name), value)
        for name, value in values.items()
        if not _same(stored.get(name), value)
    ]
    return found


def _same(online: object, offline: object) -> bool:
    online, offline = _comparable(online), _comparable(offline)
    if isinstance(offline, datetime):
        return online in (_cut(offline, _MILLISECOND), _cut(offline, _SECOND))
    if isinstance(offline, list) and isinstance(online, list):
        return len(online) == len(offline) and all(map(_same, online, offline))
    return type(online) is type(offline) and online == offline


def _comparable(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _cut(moment: datetime, microseconds: int) -> datetime:
    utc = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment
    return utc - timedelta(microseconds=utc.microsecond % microseconds)
