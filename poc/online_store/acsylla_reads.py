"""Reads of event loops with acsylla, the C++ driver, which speaks asyncio only: a session for each loop.

It stands in where it can. Where it cannot connect, or fails at a statement, the caller takes the other
driver, which knows why: acsylla says of a table that is gone what it says of a cluster that is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from concurrent.futures import TimeoutError as WaitTimeout
from contextlib import suppress
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary

from poc.online_store.connection import ConnectionSettings, Driver
from poc.online_store.errors import DriverMissing
from poc.online_store.session import (
    HEARTBEAT_SECONDS,
    HEARTBEAT_TIMEOUT_SECONDS,
    MORE_NODES,
    RECONNECTION_DELAY_SECONDS,
)

log = logging.getLogger(__name__)

# The C++ driver's protocol 5 is a beta of before Cassandra 4.0.
NEWEST_PROTOCOL = 4
READS_IN_FLIGHT = 100
CLOSE_SECONDS = 2.0
# After a failure the other driver reads for so long.
RETRY_SECONDS = 1.0

Rows = list[tuple[Any, ...]]


def acsylla_is_installed() -> bool:
    """Whether the package is there (it has no wheels for Windows)."""
    return find_spec("acsylla") is not None


def asks_for_acsylla(driver: Driver, setting: str) -> bool:
    """Tell whether `driver`, as `setting` has it, asks for acsylla: auto does where it is installed.

    Raises DriverMissing: acsylla is demanded and not installed.
    """
    installed = acsylla_is_installed()
    if driver == "acsylla" and not installed:
        raise DriverMissing(setting, "acsylla")
    return installed and driver != "cassandra-driver"


def acsylla_reads(settings: ConnectionSettings, driver: Driver) -> "AcsyllaReads | None":
    """Return the reads by acsylla that `driver` asks for, see `asks_for_acsylla`; None where it does not."""
    wanted = asks_for_acsylla(driver, "FEATURE_DRIVER")
    return AcsyllaReads(settings) if wanted and settings.hosts else None


def cluster_arguments(settings: ConnectionSettings) -> dict[str, Any]:
    """Return what `acsylla.create_cluster` takes for `settings`; statements run at the write consistency."""
    stated = settings.protocol_version
    arguments: dict[str, Any] = {
        "contact_points": list(settings.hosts),
        "port": settings.port,
        "consistency": settings.write_consistency,
        "request_timeout": settings.request_timeout_seconds,
        "connect_timeout": settings.connect_timeout_seconds,
        # Unless the exponential ones are taken away, they win: a node that is back was used after 39 s.
        "constant_reconnect_delay_ms": int(RECONNECTION_DELAY_SECONDS * 1000),
        "exponential_reconnect_base_delay_ms": None,
        "exponential_reconnect_max_delay_ms": None,
        # As cassandra-driver has it: a frozen node answers no heartbeat, and is given up.
        "heartbeat_interval_sec": HEARTBEAT_SECONDS,
        "idle_timeout_sec": HEARTBEAT_SECONDS + HEARTBEAT_TIMEOUT_SECONDS,
        # All tables: where rows lie it learns without, but before version 4 not which columns are the key.
        "use_schema": stated is not None and stated < 4,
        # Else it prints that Cassandra has no ScyllaDB shards. Errors reach us as exceptions.
        "log_level": "critical",
        "protocol_version": NEWEST_PROTOCOL if stated is None else min(stated, NEWEST_PROTOCOL),
    }
    if settings.local_dc is not None:
        arguments["load_balance_dc_aware"] = settings.local_dc
    if settings.username is not None:
        arguments |= {"username": settings.username, "password": settings.password}
    if settings.tls is not None:
        ca, cert, key = settings.tls.texts()
        flags = "PEER_IDENTITY" if settings.tls.check_hostname else "PEER_CERT"
        arguments |= {"ssl_enabled": True, "ssl_trusted_cert": ca, "ssl_verify_flags": flags}
        if cert is not None and key is not None:
            arguments |= {"ssl_cert": cert, "ssl_private_key": key}
    if settings.speculative_delay_ms is not None:
        from acsylla import SpeculativeExecutionPolicy

        arguments["speculative_execution_policy"] = SpeculativeExecutionPolicy(
            settings.speculative_delay_ms, max_speculative_executions=MORE_NODES
        )
    return arguments


class AcsyllaReads:
    """Sessions of acsylla and their prepared statements, one session an event loop."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._arguments = cluster_arguments(settings) | {
            "consistency": settings.read_consistency,
            # The first read of a loop connects, and may wait no longer than any other.
            "connect_timeout": min(settings.connect_timeout_seconds, settings.request_timeout_seconds),
        }
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    async def rows(self, cql: str, keys: Sequence[tuple[Any, ...]]) -> list[Rows] | None:
        """Read the rows of each of `keys`, in their order; None where the other driver has to."""
        loop = asyncio.get_running_loop()
        of_loop = self._loops.get(loop)
        if of_loop is None:
            of_loop = self._loops.setdefault(loop, _Loop(self._arguments))
        return await of_loop.rows(cql, keys)

    def close(self) -> None:
        """End all sessions. A second call does nothing."""
        loops, self._loops = list(self._loops.items()), WeakKeyDictionary()
        for loop, of_loop in loops:
            of_loop.close(loop)


class _Loop:
    """The session of one event loop, used by that loop only."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        self._opening = asyncio.Lock()
        self._session: Any = None
        # Its loop ends it; let go of, it would be ended at once.
        self._ending: AsyncGenerator[None, None] | None = None
        self._statements: dict[str, Any] = {}
        self._preparing: dict[str, asyncio.Task[Any]] = {}
        self._not_before = 0.0

    async def rows(self, cql: str, keys: Sequence[tuple[Any, ...]]) -> list[Rows] | None:
        if time.monotonic() < self._not_before:
            return None
        try:
            statement = self._statements.get(cql)
            if statement is None:
                statement = await self._prepared(cql)
            if len(keys) == 1:
                return [await self._rows(statement, keys[0])]
            return await self._many(statement, keys)
        except Exception as error:
            # What cannot be bound is the caller's mistake.
            if type(error).__name__ == "CassErrorLibRequestTimedOut" or isinstance(error, UnicodeError):
                raise
            log.info("acsylla stands aside for %.0f s: %s", RETRY_SECONDS, error)
            # What is prepared again follows the table as it is then.
            self._statements.clear()
            self._not_before = time.monotonic() + RETRY_SECONDS
            return None

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        session, self._session = self._session, None
        if session is None or loop.is_closed():
            return
        ending: Coroutine[Any, Any, Any] = session.close()
        if not loop.is_running():
            loop.run_until_complete(ending)
            return
        done = asyncio.run_coroutine_threadsafe(ending, loop)
        try:
            # Called from the loop's own thread, it can only be asked for.
            if asyncio._get_running_loop() is not loop:
                done.result(CLOSE_SECONDS)
        except WaitTimeout:  # A type of its own before Python 3.11.
            done.cancel()

    async def _prepared(self, cql: str) -> Any:
        """Prepare once for all who wait, and go on where one of them gives up.

        A session that is freed while it is being opened waits for its end with the interpreter locked, which
        the end needs: the process would stand still for ever.
        """
        task = self._preparing.get(cql)
        if task is None:
            task = self._preparing[cql] = asyncio.ensure_future(self._prepare(cql))
            task.add_done_callback(lambda done: self._settled(cql, done))
        return await asyncio.shield(task)

    def _settled(self, cql: str, done: "asyncio.Task[Any]") -> None:
        self._preparing.pop(cql, None)
        if not done.cancelled():
            done.exception()  # Nobody may be left who asks for it.

    async def _prepare(self, cql: str) -> Any:
        import acsylla

        async with self._opening:
            if self._session is None:
                self._session = await acsylla.create_cluster(**self._arguments).create_session()
                self._ending = _closed_by_its_loop(self._session)
                await anext(self._ending)
            if cql not in self._statements:
                self._statements[cql] = await self._session.create_prepared(cql)
            return self._statements[cql]

    async def _many(self, statement: Any, keys: Sequence[tuple[Any, ...]]) -> list[Rows]:
        found: list[Rows] = [[]] * len(keys)

        async def lane(places: Iterator[int]) -> None:
            for place in places:
                found[place] = await self._rows(statement, keys[place])

        places = iter(range(len(keys)))
        await asyncio.gather(*(lane(places) for _ in range(min(READS_IN_FLIGHT, len(keys)))))
        return found

    async def _rows(self, statement: Any, key: tuple[Any, ...]) -> Rows:
        bound = statement.bind(key)
        # Without it a read that is late, or whose node dies, is not asked of another one.
        bound.set_is_idempotent(True)
        return [row.as_tuple() for row in (await self._session.execute(bound)).all()]


async def _closed_by_its_loop(session: Any) -> AsyncGenerator[None, None]:
    """Once begun, close `session` where its loop ends in order, as `asyncio.run` ends one.

    Freed after that, a session that is open is closed with the interpreter locked, until its nodes let go.
    """
    try:
        yield
    finally:
        with suppress(Exception):
            await asyncio.wait_for(session.close(), CLOSE_SECONDS)
