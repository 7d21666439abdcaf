"""Differences between what a store holds of an entity and what the offline data says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from poc.dataset.values import same_event_time, same_value


class _NeverWritten:
    """What stands for a feature that was never written for an entity: not a null, which somebody wrote."""

    def __repr__(self) -> str:
        return "never written"


NEVER_WRITTEN = _NeverWritten()


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What a store holds of an entity.

    Attributes:
        values: of the view's features, in declared order; None is a null, `NEVER_WRITTEN` none at all.
        event_time: when they were true, UTC; None where the store was not told.
    """

    values: Sequence[object]
    event_time: datetime | None


@dataclass(frozen=True, slots=True)
class Skew:
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
        entity = "/".join(str(part) for part in self.key.values())
        if self.column is None:
            return f"{entity}: missing online"
        return f"{entity}.{self.column}: online {self.online!r}, offline {self.offline!r}"


def differences(
    key: Mapping[str, object],
    online: StoredRow,
    offline: Mapping[str, object],
    event_time: datetime,
    event_column: str,
) -> list[Skew]:
    """List where a stored entity is not exactly the offline one: event time, then declared order.

    Args:
        key: the join keys by name.
        online: what the store holds.
        offline: the value of every feature, in declared order and of the declared type.
        event_time: the offline row's, UTC.
        event_column: its name, for the message.
    """
    found = []
    if not same_event_time(online.event_time, event_time):
        found.append(Skew(key, event_column, online.event_time, event_time))
    for (name, value), stored in zip(offline.items(), online.values, strict=True):
        if stored is NEVER_WRITTEN or not same_value(stored, value):
            found.append(Skew(key, name, stored, value))
    return found
