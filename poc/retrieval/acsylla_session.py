"""A session of acsylla, the C++ driver, that a server's event loop reads with.

acsylla speaks asyncio only. Everything that may take long (connecting, preparing, closing) is asked for
by another thread, which waits; the event loop itself only ever sends statements that are prepared.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import TimeoutError as WaitTimeout
from contextlib import contextmanager
from typing import Any, TypeVar

from poc.database.endpoint import Endpoint
from poc.database.sessions import CONNECT_TIMEOUT_SECONDS, LOCAL_DATACENTER, PROTOCOL_VERSION
from poc.errors import CassandraUnavailable, PocError
from poc.online_store.acsylla_writer import cluster_arguments
from poc.online_store.connection import ConnectionSettings
from poc.retrieval.lookup import Row
from poc.retrieval.tables import Deadline, refusal

READS_IN_FLIGHT = 100
CLOSE_SECONDS = 2.0

T = TypeVar("T")


class AcsyllaSession:
    """A session on `loop`. Made, used to prepare, and closed by other threads than the loop's.

    Args:
        connection: the cluster and how to read from it.
        loop: runs, in another thread than the caller's.

    Raises:
        CassandraUnavailable: no node accepts a connection.
    """

    def __init__(self, connection: ConnectionSettings, loop: asyncio.AbstractEventLoop) -> None:
        self._where = str(connection)
        self._loop = loop
        self._closed = False
        with acsylla_failures(self._where, lambda: CassandraUnavailable(self._where, "no keyspace")):
            self._session = self._wait_for(_connect(connection), 2 * connection.connect_timeout_seconds)

    def prepare(self, cql: str, deadline: Deadline) -> "AcsyllaRows":
        """Give the reader of a statement with one marker.

        Raises:
            acsylla's errors: it cannot be prepared.
        """
        prepared = self._wait_for(self._session.create_prepared(cql), deadline.remaining())
        return AcsyllaRows(self._session, prepared)

    def run(self, work: Coroutine[Any, Any, T], deadline: Deadline) -> T:
        """Run `work` on the loop, and wait for it.

        Raises:
            CassandraUnavailable: not done by then.
        """
        return self._wait_for(work, deadline.remaining())

    def close(self) -> None:
        """End the session. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._wait_for(self._session.close(), CLOSE_SECONDS)

    def _wait_for(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        if self._loop.is_closed():
            work.close()
            raise CassandraUnavailable(self._where, "the server's event loop has ended")
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result(seconds)
        except WaitTimeout as error:  # A type of its own before Python 3.11.
            done.cancel()
            raise CassandraUnavailable(self._where, f"no answer in {seconds:.1f} s") from error


class AcsyllaRows:
    """Reads rows by key, on the session's event loop."""

    __slots__ = ("_bind", "_execute")

    def __init__(self, session: Any, prepared: Any) -> None:
        self._execute, self._bind = session.execute, prepared.bind

    async def __call__(self, keys: Sequence[str], deadline: Deadline) -> list[Sequence[Row]]:
        """Give the rows of each of `keys`, in their order, at most `READS_IN_FLIGHT` at a time."""
        if len(keys) == 1:
            return [await self._rows(keys[0], deadline)]
        found: list[Sequence[Row]] = [()] * len(keys)

        async def lane(places: Iterator[int]) -> None:
            for place in places:
                found[place] = await self._rows(keys[place], deadline)

        places = iter(range(len(keys)))
        await asyncio.gather(*(lane(places) for _ in range(min(READS_IN_FLIGHT, len(keys)))))
        return found

    async def _rows(self, key: str, deadline: Deadline) -> Sequence[Row]:
        statement = self._bind((key,), timeout=deadline.remaining())
        # Without it a read that is late, or whose node dies, is not asked of another one.
        statement.set_is_idempotent(True)
        answer = await self._execute(statement)
        return [row.as_tuple() for row in answer.all()]


def endpoint_connection(endpoint: Endpoint, timeout_seconds: float) -> ConnectionSettings:
    """Give the way to `endpoint` that `poc.database.sessions.open_session` takes."""
    return ConnectionSettings(
        hosts=endpoint.hosts,
        port=endpoint.port,
        keyspace="",
        username=endpoint.username,
        password=endpoint.password,
        tls=endpoint.tls,
        read_consistency=endpoint.read_consistency,
        write_consistency=endpoint.consistency,
        speculative_delay_ms=endpoint.speculative_delay_ms,
        protocol_version=PROTOCOL_VERSION,
        request_timeout_seconds=timeout_seconds,
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        local_dc=LOCAL_DATACENTER,
    )


@contextmanager
def acsylla_failures(where: str, missing: Callable[[], PocError]) -> Iterator[None]:
    """Turn what acsylla raises into this project's errors; see `cassandra_failures`."""
    try:
        yield
    except Exception as error:
        known = _known(error, where, missing)
        if known is None:
            raise
        raise known from error


def _known(error: Exception, where: str, missing: Callable[[], PocError]) -> PocError | None:
    from acsylla import errors

    if isinstance(error, errors.CassErrorServerInvalidQuery):
        return refusal(str(error), missing)
    if isinstance(error, errors.CassException):
        return CassandraUnavailable(where, str(error) or type(error).__name__)
    # What acsylla says of a session that was closed.
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return CassandraUnavailable(where, str(error))
    return None


async def _connect(connection: ConnectionSettings) -> Any:
    import acsylla

    arguments = cluster_arguments(connection) | {"consistency": connection.read_consistency}
    return await acsylla.create_cluster(**arguments).create_session()
