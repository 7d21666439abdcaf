"""Read rows by key: prepared statements, a bounded number of them at a time.

A single entity is asked for by its key. Of many, each statement asks for some: what the driver does for
a statement in Python costs several times what Cassandra does for one more key. A read that fails raises
what the driver raised. It is never taken for an absent row.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from cassandra.cluster import ResponseFuture, Session
from cassandra.query import PreparedStatement
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.keys import read_key
from poc.online_store.layout import RowLayout
from poc.online_store.types import NULL

Key = tuple[Any, ...]
Row = tuple[Any, ...]
FeatureRow = tuple[datetime | None, dict[str, Value] | None]
# What a key that no row can have is answered with, by every way of reading.
_ABSENT: FeatureRow = (None, None)


class RowReader:
    """Reads some features of one view. Safe to use from many threads at once.

    Args:
        session: where to read.
        view: the definition.
        layout: its table.
        features: those wanted; all for None.
        in_flight: most statements under way of one read.
        keys_per_statement: most entities that a statement asks for.

    Attributes:
        view: the definition that it was made from.
        names: the features, in the order that `rows` has them.
        cql: the statement that reads one row by its bound key.
        keys_at_once: how many keys `rows` reads without waiting for an answer in between.
    """

    def __init__(
        self,
        session: Session,
        view: FeatureView,
        layout: RowLayout,
        features: Sequence[str] | None,
        *,
        in_flight: int,
        keys_per_statement: int,
    ) -> None:
        columns = layout.named(features)
        self.cql = layout.select(columns)
        self.view = view
        self.names = tuple(column.field for column in columns)
        self.key: Callable[[EntityKey], tuple[Any, ...] | None] = read_key(layout.keys)
        self._session = session
        self._statement = _prepared(session, self.cql)
        several = layout.select_several(columns) if keys_per_statement > 1 else None
        self._several = None if several is None else _prepared(session, several)
        self._keys_per_statement = 1 if several is None else keys_per_statement
        self._decoders = tuple(column.kind.decoder() for column in columns)
        self._in_flight = in_flight
        self.keys_at_once = in_flight * self._keys_per_statement

    def read(self, entity_keys: Iterable[EntityKey]) -> list[FeatureRow]:
        """Read by Feast's keys, as `OnlineStore.online_read` answers."""
        return [self._feature_row(row) for row in self.rows([self.key(key) for key in entity_keys])]

    async def read_async(self, entity_keys: Iterable[EntityKey]) -> list[FeatureRow]:
        """Do the same without blocking the event loop."""
        return [
            self._feature_row(row) for row in await self.rows_async([self.key(key) for key in entity_keys])
        ]

    def rows(self, keys: Sequence[Key | None], timeout_seconds: float | None = None) -> list[Row | None]:
        """Read by bound keys: the features as the driver gives them, then the event time (naive UTC).

        Args:
            keys: from `key`; None stands for a key that no row can have.
            timeout_seconds: longest wait for one statement; the store's request_timeout for None.

        Returns: one item a key; None where there is no row.
        """
        timeout = {} if timeout_seconds is None else {"timeout": timeout_seconds}
        if len(keys) == 1 and keys[0] is not None:
            return [self._session.execute(self._statement, keys[0], **timeout).one()]
        asked = self._asked(keys)
        sent = (self._session.execute_async(asked.statement, bound, **timeout) for bound in asked.bound)
        found = asked.by_key(list(_in_order(sent, self._in_flight)))
        return [found.get(key) for key in keys]

    async def rows_async(
        self, keys: Sequence[Key | None], timeout_seconds: float | None = None
    ) -> list[Row | None]:
        """Do what `rows` does without blocking the event loop."""
        timeout = {} if timeout_seconds is None else {"timeout": timeout_seconds}
        asked = self._asked(keys)
        permits = asyncio.Semaphore(self._in_flight)

        async def answer(bound: Key) -> Sequence[Row]:
            async with permits:
                return await _awaited(self._session.execute_async(asked.statement, bound, **timeout))

        found = asked.by_key(await asyncio.gather(*map(answer, asked.bound)))
        return [found.get(key) for key in keys]

    def _asked(self, keys: Sequence[Key | None]) -> "_Asked":
        possible = list(dict.fromkeys(key for key in keys if key is not None))
        if self._several is None or len(possible) == 1:
            return _Asked(self._statement, possible, several=False)
        firsts, size = [first for (first,) in possible], self._keys_per_statement
        lists: list[Key] = [(firsts[at : at + size],) for at in range(0, len(firsts), size)]
        return _Asked(self._several, lists, several=True)

    def _feature_row(self, row: Row | None) -> FeatureRow:
        if row is None:
            return _ABSENT
        moment = row[-1]
        values = {
            name: NULL if content is None else decode(content)
            for name, decode, content in zip(self.names, self._decoders, row, strict=False)
        }
        return (None if moment is None else moment.replace(tzinfo=timezone.utc)), values


@dataclass(frozen=True, slots=True)
class _Asked:
    """A statement, what is bound each time that it is sent, and whether that is one key or a list of keys."""

    statement: PreparedStatement
    bound: list[Key]
    several: bool

    def by_key(self, answers: Sequence[Sequence[Row]]) -> dict[Key | None, Row]:
        """Give the rows by their bound keys."""
        if self.several:
            return {row[-1:]: row[:-1] for rows in answers for row in rows}
        return {key: rows[0] for key, rows in zip(self.bound, answers, strict=True) if rows}


def _prepared(session: Session, cql: str) -> PreparedStatement:
    statement = session.prepare(cql)
    statement.is_idempotent = True
    return statement


def _in_order(sent: Iterator[ResponseFuture], in_flight: int) -> Iterator[Sequence[Row]]:
    """Give the answers to statements that `sent` sends as it is drawn from."""
    waiting = deque(islice(sent, in_flight))
    while waiting:
        rows = waiting.popleft().result().all()
        waiting.extend(islice(sent, 1))
        yield rows


async def _awaited(response: ResponseFuture) -> Sequence[Row]:
    """Wait for the driver, whose callbacks run in its own thread, in this event loop."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[Row]] = loop.create_future()

    def settle(action: Callable[[Any], None], outcome: Any) -> None:
        if not answer.done():
            action(outcome)

    response.add_callbacks(
        lambda rows: loop.call_soon_threadsafe(settle, answer.set_result, rows),
        lambda error: loop.call_soon_threadsafe(settle, answer.set_exception, error),
    )
    return await answer
