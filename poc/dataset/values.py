"""Whether two values of a feature are one: the one rule for every comparison of online with offline.

A NaN is a null, as everywhere at serving time. Times are compared at the precision that stores keep: whole
seconds for features, milliseconds for event times. Everything else is compared exactly, type and all: the
offline side has to come in the declared types, as `poc.dataset.stored` gives it.
"""

import math
from datetime import datetime, timedelta, timezone
from typing import Any

_SECOND = 1_000_000
_MILLISECOND = 1000


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
