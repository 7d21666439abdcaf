"""Read rows by key: one prepared statement, sent once an entity, a bounded number at a time.

A read that fails raises what the driver raised. It is never taken for an absent row.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from cassandra.cluster import ResponseFuture, Session
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.keys import read_key
from poc.online_store.layout import RowLayout
from poc.online_store.types import NULL

FeatureRow = tuple[datetime | None, dict[str, Value] | None]
# What a key that no row can have is answered with, by every way of reading.
_ABSENT: FeatureRow = (None, None)


class RowReader:
    """Reads some features of one view. Safe to use from many threads at once.

    Attributes:
        view: the definition that it was made from.
        names: the features, in the order that `rows` has them.
        cql: the statement that reads one row by its bound key.
    """

    def __init__(
        self,
        session: Session,
        view: FeatureView,
        layout: RowLayout,
        features: Sequence[str] | None,
        bound: int,
    ) -> None:
        columns = layout.named(features)
        self.cql = layout.select(columns)
        statement = session.prepare(self.cql)
        statement.is_idempotent = True
        self.view = view
        self.names = tuple(column.field for column in columns)
        self.key: Callable[[EntityKey], tuple[Any, ...] | None] = read_key(layout.keys)
        self._session = session
        self._statement = statement
        self._decoders = tuple(column.kind.decoder() for column in columns)
        self._bound = bound

    def read(self, entity_keys: Iterable[EntityKey]) -> list[FeatureRow]:
        """Read by Feast's keys, as `OnlineStore.online_read` answers."""
        return [self._feature_row(row) for row in self.rows([self.key(key) for key in entity_keys])]

    async def read_async(self, entity_keys: Iterable[EntityKey]) -> list[FeatureRow]:
        """Do the same without blocking the event loop."""
        return [
            self._feature_row(row) for row in await self.rows_async([self.key(key) for key in entity_keys])
        ]

    def rows(
        self, keys: Sequence[tuple[Any, ...] | None], timeout_seconds: float | None = None
    ) -> list[tuple[Any, ...] | None]:
        """Read by bound keys: the features as the driver gives them, then the event time (naive UTC).

        Args:
            keys: from `key`; None stands for a key that no row can have.
            timeout_seconds: longest wait for one statement; the store's request_timeout for None.

        Returns: one item a key; None where there is no row.
        """
        timeout = {} if timeout_seconds is None else {"timeout": timeout_seconds}
        if len(keys) == 1:
            key = keys[0]
            if key is None:
                return [None]
            return [self._session.execute(self._statement, key, **timeout).one()]
        return list(self._in_order(keys, timeout))

    def _in_order(
        self, keys: Sequence[tuple[Any, ...] | None], timeout: dict[str, float]
    ) -> Iterator[tuple[Any, ...] | None]:
        send, statement = self._session.execute_async, self._statement
        sent = (None if key is None else send(statement, key, **timeout) for key in keys)
        waiting: deque[ResponseFuture | None] = deque(islice(sent, self._bound))
        while waiting:
            future = waiting.popleft()
            row = None if future is None else future.result().one()
            waiting.extend(islice(sent, 1))
            yield row

    async def rows_async(
        self, keys: Sequence[tuple[Any, ...] | None], timeout_seconds: float | None = None
    ) -> list[tuple[Any, ...] | None]:
        """Do what `rows` does without blocking the event loop."""
        timeout = {} if timeout_seconds is None else {"timeout": timeout_seconds}
        permits = asyncio.Semaphore(self._bound)

        async def one(key: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
            if key is None:
                return None
            async with permits:
                return _first(await _awaited(self._session.execute_async(self._statement, key, **timeout)))

        return list(await asyncio.gather(*(one(key) for key in keys)))

    def _feature_row(self, row: tuple[Any, ...] | None) -> FeatureRow:
        if row is None:
            return _ABSENT
        moment = row[-1]
        values = {
            name: NULL if content is None else decode(content)
            for name, decode, content in zip(self.names, self._decoders, row, strict=False)
        }
        return (None if moment is None else moment.replace(tzinfo=timezone.utc)), values


def _first(rows: Sequence[tuple[Any, ...]] | None) -> tuple[Any, ...] | None:
    return rows[0] if rows else None


async def _awaited(response: ResponseFuture) -> Sequence[tuple[Any, ...]]:
    """Wait for the driver, whose callbacks run in its own thread, in this event loop."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[tuple[Any, ...]]] = loop.create_future()

    def settle(action: Callable[[Any], None], outcome: Any) -> None:
        if not answer.done():
            action(outcome)

    response.add_callbacks(
        lambda rows: loop.call_soon_threadsafe(settle, answer.set_result, rows),
        lambda error: loop.call_soon_threadsafe(settle, answer.set_exception, error),
    )
    return await answer
