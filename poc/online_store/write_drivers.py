"""Choose what sends the writes: acsylla, the C++ driver, is some five times as fast as cassandra-driver."""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar

from cassandra import InvalidRequest
from cassandra.cluster import Session
from feast.repo_config import FeastConfigBaseModel
from pydantic import Field

from poc.online_store.acknowledged_writes import (
    MAX_ATTEMPTS,
    DriverWriter,
    Outcome,
    Writer,
    is_hopeless,
    outcome,
)
from poc.online_store.acsylla_reads import asks_for_acsylla, cluster_arguments
from poc.online_store.bound_rows import BoundRow
from poc.online_store.connection import ConnectionSettings, Driver
from poc.online_store.errors import NotApplied
from poc.online_store.failures import refused_by_guardrail
from poc.online_store.session import open_session

log = logging.getLogger(__name__)

T = TypeVar("T")
# What acsylla calls the errors that may pass.
_PASSING = (
    "LibRequestTimedOut LibNoHostsAvailable LibRequestQueueFull LibWriteError LibNoStreams ServerOverloaded"
    " ServerIsBootstrapping ServerUnavailable ServerWriteTimeout ServerWriteFailure ServerServerError"
)


class WriteSettings(FeastConfigBaseModel):  # type: ignore[misc]
    """What every engine takes under `batch_engine:`, by its name and meaning in docs/online_store.md."""

    driver: Driver = "auto"
    batch_rows: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 5000
    write_concurrency: Annotated[int, Field(strict=True, ge=1)] | None = None
    max_attempts: Annotated[int, Field(strict=True, ge=1)] = MAX_ATTEMPTS
    write_time: Literal["event", "now"] = "event"


def open_writer(
    settings: WriteSettings,
    connection: ConnectionSettings,
    table: str,
    cql: str,
    session: Session | None = None,
) -> Writer:
    """Open a writer of `cql` into `table`; a `session`, which is of cassandra-driver, stays the caller's.

    The driver `auto` takes acsylla where it is installed, the connection is to hosts, and it connects.

    Raises:
        DriverMissing: acsylla was asked for and is not installed.
        NotApplied: there is no such table, or it lacks a column.
        RefusedByGuardrail: Cassandra has a limit against the statement.
    """
    concurrency = settings.write_concurrency
    if concurrency is None:
        concurrency = connection.write_concurrency
    wanted = asks_for_acsylla(settings.driver, "driver of batch_engine")
    demanded = settings.driver == "acsylla"
    try:
        if demanded or (wanted and connection.hosts):
            try:
                return _AcsyllaWriter(connection, cql, concurrency)
            except Exception as error:
                # It reads system tables at LOCAL_ONE, which some clusters refuse; the other driver at ONE.
                if demanded or type(error).__name__ != "CassErrorLibNoHostsAvailable":
                    raise
                log.info("acsylla does not connect, cassandra-driver writes: %s", error)
        if session is not None:
            return DriverWriter(session, cql, concurrency)
        return DriverWriter(open_session(connection), cql, concurrency, owns_session=True)
    except Exception as error:
        # acsylla may not be there to name its class in an except clause.
        if isinstance(error, InvalidRequest) or type(error).__name__ == "CassErrorServerInvalidQuery":
            refused = refused_by_guardrail(str(error))
            raise NotApplied(table, str(error)) if refused is None else refused from error
        raise


class _AcsyllaWriter:
    """A `Writer` with a session of its own, in a thread of its own: acsylla speaks asyncio only."""

    def __init__(self, settings: ConnectionSettings, cql: str, concurrency: int) -> None:
        from acsylla import errors

        self._concurrency = concurrency
        self._passing = tuple(getattr(errors, f"CassError{name}") for name in _PASSING.split())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="acsylla-writer", daemon=True)
        self._thread.start()
        try:
            self._session, self._statement = self._wait_for(_prepare(settings, cql))
        except BaseException:
            self._stop()
            raise

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        return self._wait_for(self._send(rows))

    def fetch(self, cql: str) -> list[tuple[Any, ...]]:
        return self._wait_for(self._fetch(cql))

    def close(self) -> None:
        try:
            self._wait_for(self._session.close())
        finally:
            self._stop()

    async def _send(self, rows: Sequence[BoundRow]) -> Outcome:
        lanes = min(self._concurrency, len(rows))
        acknowledged = bytearray(len(rows))
        errors: list[Exception] = []
        execute, bind = self._session.execute, self._statement.bind

        async def lane(indexes: Iterator[int]) -> None:
            for index in indexes:
                try:
                    bound = bind(rows[index])
                    # A row carries its write time: written twice, it is the same write.
                    bound.set_is_idempotent(True)
                    await execute(bound)
                    acknowledged[index] = 1
                except Exception as error:
                    errors.append(error)
                    if is_hopeless(errors, lanes, self._passing):
                        return

        indexes = iter(range(len(rows)))
        await asyncio.gather(*(lane(indexes) for _ in range(lanes)))
        return outcome(rows, acknowledged, errors, self._passing)

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

    session = await acsylla.create_cluster(**cluster_arguments(settings)).create_session()
    return session, await session.create_prepared(cql)
