"""How the features of one transaction lie in Cassandra: the statement that finds them, and what its rows say.

Each layout (the direct table, Feast's stock store, the row store) makes its own `Lookup`. Which driver
sends the statement is no concern of theirs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from poc.errors import FeaturesOutdated, PocError
from poc.retrieval.source import Value, as_utc

Row: TypeAlias = Sequence[Any]
_AS_IT_IS = frozenset((int, str, bool, type(None)))
Stored: TypeAlias = tuple[datetime, dict[str, Value]]
"""What is stored of one transaction: the event time, UTC-aware, and values by name in declared order."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One statement with one marker, and what its rows mean.

    Attributes:
        table: where it looks, quoted, with its keyspace.
        cql: the statement.
        names: the features, in declared order.
        ttl: age from which a value is stale; None if it never is.
        key: gives what is bound for a transaction id; None for an id that no row can have.
        stored: gives what the rows of one id hold; None where they hold nothing.
        missing: makes the error for a table that is not there.
    """

    table: str
    cql: str
    names: tuple[str, ...]
    ttl: timedelta | None
    key: Callable[[str], str | None]
    stored: Callable[[str, Sequence[Row]], Stored | None]
    missing: Callable[[], PocError]


def one_row(names: tuple[str, ...]) -> Callable[[str, Sequence[Row]], Stored | None]:
    """Give `Lookup.stored` for a layout of one row a transaction: the features, then the event time."""

    def stored(transaction_id: str, rows: Sequence[Row]) -> Stored | None:
        if not rows:
            return None
        *values, moment = rows[0]
        # Most values stay as they are: asking for their type here is a third of the price of a call.
        kept = [value if type(value) in _AS_IT_IS else column_value(value) for value in values]
        return event_time(transaction_id, moment), dict(zip(names, kept, strict=True))

    return stored


def event_time(transaction_id: str, moment: datetime | None) -> datetime:
    """Give a stored event time UTC-aware.

    Raises:
        FeaturesOutdated: there is none.
    """
    if moment is None:
        raise FeaturesOutdated(f"{transaction_id!r} is stored without an event timestamp")
    return as_utc(moment)


def column_value(stored: Any) -> Any:
    """Give what a driver read from a typed column: None for a NaN, times UTC-aware, also in lists."""
    if isinstance(stored, float):
        return None if math.isnan(stored) else stored
    if isinstance(stored, datetime):
        return as_utc(stored)
    if isinstance(stored, list):
        return [as_utc(item) if isinstance(item, datetime) else item for item in stored]
    return stored
