"""Whether two values of a feature are one: the one rule for every comparison of online with offline.

A NaN is a null, as everywhere at serving time. Times are compared at the precision that stores keep: whole
seconds for features, milliseconds for event times. Everything else is compared exactly, type and all: the
offline side has to come in the declared types, as `poc.dataset.stored` gives it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_SECOND = 1_000_000
_MILLISECOND = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that a store holds otherwise than the offline data.

    Attributes:
        key: whose it is: the join keys by name.
        column: the feature's name, or the event time's column; None where the store has no such entity.
        online: what the store holds.
        offline: what the offline data says.
    """

    key: Mapping[str, object]
    column: str | None
    online: object
    offline: object

    def __str__(self) -> str:
        entity = "/".join(map(str, self.key.values()))
        if self.column is None:
            return f"{entity}: missing online"
        return f"{entity}.{self.column}: online {self.online!r}, offline {self.offline!r}"


def same_value(online: Any, offline: Any) -> bool:
    """Tell whether a store's value of a feature is the source's; a store's time without a zone is UTC."""
    online, offline = _comparable(online), _comparable(offline)
    if isinstance(offline, datetime):
        kept = (_cut(offline, _SECOND), _cut(offline, _MILLISECOND))
        return isinstance(online, datetime) and _utc(online) in kept
    if isinstance(offline, list) and isinstance(online, list):
        return len(online) == len(offline) and all(map(same_value, online, offline))
    return type(online) is type(offline) and bool(online == offline)


def same_event_time(online: datetime | None, offline: datetime) -> bool:
    """Tell whether a store's event time is the offline one, cut to milliseconds."""
    return online is not None and _utc(online) == _cut(offline, _MILLISECOND)


def _comparable(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def _cut(moment: datetime, microseconds: int) -> datetime:
    utc = _utc(moment)
    return utc - timedelta(microseconds=utc.microsecond % microseconds)
