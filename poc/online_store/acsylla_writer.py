"""Write rows with acsylla (the C++ driver), some five times as fast as cassandra-driver.

acsylla speaks asyncio only; a writer runs an event loop in a thread of its own, so that it works
whether or not the caller's thread has one.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from poc.online_store.acsylla_cluster import cluster_arguments
from poc.online_store.connection import ConnectionSettings
from poc.online_store.writer import BoundRow, Outcome

T = TypeVar("T")


class AcsyllaWriter:
    """A `Writer` with a session of its own.

    Raises:
        acsylla.errors.CassException: no node accepts a connection, or the statement is refused.
    """

    def __init__(self, settings: ConnectionSettings, cql: str, concurrency: int) -> None:
        self._concurrency = concurrency
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="acsylla-writer", daemon=True)
        self._thread.start()
        try:
            self._session, self._statement = self._wait_for(_prepare(settings, cql))
        except BaseException:
            self._stop()
            raise

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """Send the statement once for each of `rows`, `concurrency` at a time."""
        return self._wait_for(self._send(rows))

    def fetch(self, cql: str) -> list[tuple[Any, ...]]:
        """Run one small query."""
        return self._wait_for(self._fetch(cql))

    def close(self) -> None:
        """Close the session, end the thread."""
        try:
            self._wait_for(self._session.close())
        finally:
            self._stop()

    async def _send(self, rows: Sequence[BoundRow]) -> Outcome:
        lanes = min(self._concurrency, len(rows))
        acknowledged = bytearray(len(rows))
        errors: list[Exception] = []
        lasting: list[Exception] = []
        passing_errors = _passing_errors()
        execute, bind = self._session.execute, self._statement.bind

        async def lane(indexes: Iterator[int]) -> None:
            for index in indexes:
                try:
                    bound = bind(rows[index])
                    # A row carries its write time: written twice, it is the same write.
                    bound.set_is_idempotent(True)
                    await execute(bound)
                except passing_errors as error:
                    errors.append(error)
                except Exception as error:  # A value or statement that can never be written.
                    lasting.append(error)
                else:
                    acknowledged[index] = 1
                    continue
                if lasting or len(errors) >= lanes:
                    return

        indexes = iter(range(len(rows)))
        await asyncio.gather(*(lane(indexes) for _ in range(lanes)))
        remaining = [row for row, there in zip(rows, acknowledged, strict=True) if not there]
        if not errors and not lasting:
            return Outcome(remaining)
        return Outcome(remaining, (lasting or errors)[0], worth_repeating=not lasting)

    async def _fetch(self, cql: str) -> list[tuple[Any, ...]]:
        return [row.as_tuple() for row in await self._session.query(cql)()]

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _prepare(settings: ConnectionSettings, cql: str) -> tuple[Any, Any]:
    import acsylla

    cluster = acsylla.create_cluster(**cluster_arguments(settings))
    session = await cluster.create_session()
    return session, await session.create_prepared(cql)


def _passing_errors() -> tuple[type[Exception], ...]:
    from acsylla import errors

    return (
        errors.CassErrorLibRequestTimedOut,
        errors.CassErrorLibNoHostsAvailable,
        errors.CassErrorLibRequestQueueFull,
        errors.CassErrorLibWriteError,
        errors.CassErrorLibNoStreams,
        errors.CassErrorServerOverloaded,
        errors.CassErrorServerIsBootstrapping,
        errors.CassErrorServerUnavailable,
        errors.CassErrorServerWriteTimeout,
        errors.CassErrorServerWriteFailure,
        errors.CassErrorServerServerError,
    )
