"""Choose what sends the writes, and open it."""

from collections.abc import Callable
from typing import Any, Protocol

from cassandra import InvalidRequest
from cassandra.cluster import Session

from poc.online_store.acsylla_reads import acsylla_is_installed
from poc.online_store.acsylla_writer import AcsyllaWriter
from poc.online_store.connection import ConnectionSettings, Driver
from poc.online_store.driver_writer import DriverWriter
from poc.online_store.errors import DriverMissing, NotApplied
from poc.online_store.session import open_session
from poc.online_store.writer import Writer


class SinkSettings(Protocol):
    """What a sink takes from the engine's settings; see ArrowMaterializationEngineConfig."""

    driver: Driver
    write_concurrency: int | None
    max_attempts: int
    revision: int
    write_time: str


def open_writer(
    driver: Driver,
    connection: ConnectionSettings,
    table: str,
    cql: str,
    concurrency: int,
    session: Callable[[], Session] | None = None,
) -> Writer:
    """Open a writer of `cql` into `table`.

    Args:
        driver: auto takes acsylla where it is installed and the connection is to hosts.
        session: gives a session of cassandra-driver that stays the caller's; without it one is opened.

    Raises:
        DriverMissing: acsylla was asked for and is not installed.
        NotApplied: there is no such table, or it lacks a column.
    """
    if driver == "acsylla" and not acsylla_is_installed():
        raise DriverMissing("acsylla", "driver of batch_engine")
    if driver == "acsylla" or (driver == "auto" and connection.hosts and acsylla_is_installed()):
        return _applied(table, lambda: AcsyllaWriter(connection, cql, concurrency))
    if session is not None:
        given = session()
        return _applied(table, lambda: DriverWriter(given, cql, concurrency))
    own = open_session(connection)
    try:
        return _applied(table, lambda: DriverWriter(own, cql, concurrency, owns_session=True))
    except BaseException:
        own.cluster.shutdown()
        raise


def _applied(table: str, make: Callable[[], Any]) -> Writer:
    """Turn what the drivers say of a missing table or column into `NotApplied`."""
    try:
        writer: Writer = make()
    except InvalidRequest as error:
        raise NotApplied(table, str(error)) from error
    except Exception as error:
        # acsylla may not be there to name its class in an except clause.
        if type(error).__name__ == "CassErrorServerInvalidQuery":
            raise NotApplied(table, str(error)) from error
        raise
    return writer
