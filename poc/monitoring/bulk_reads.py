"""Read very many transactions, with the driver that a server would take: acsylla where it is installed."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from poc.online_store.acsylla_writer import acsylla_is_installed
from poc.retrieval.lookup import Stored
from poc.retrieval.reads import CassandraReads, ReadAsync, Reads
from poc.retrieval.tables import Deadline
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.online_store.connection import ConnectionSettings

Read: TypeAlias = Callable[[Sequence[str]], list[Stored | None]]


@contextmanager
def bulk_reading(
    reads: Reads, connection: "Callable[[], ConnectionSettings] | None", settings: Settings
) -> Iterator[Read]:
    """Give the function that reads transactions, for as long as the block runs.

    Args:
        reads: how they lie in the store.
        connection: gives the way that acsylla takes; None where the store cannot be read with it.
        settings: the driver to read with, and the longest wait for one call.

    Raises:
        CassandraUnavailable: acsylla cannot connect, or a call takes too long.
    """
    wait = settings.feature_timeout_seconds
    if (
        connection is None
        or not isinstance(reads, CassandraReads)
        or settings.feature_driver == "cassandra-driver"
        or not acsylla_is_installed()
    ):
        yield lambda ids: reads.read(ids, Deadline(wait))
        return
    from poc.retrieval.acsylla_session import AcsyllaSession

    with _running_loop() as loop:
        session = AcsyllaSession(connection(), loop)
        try:
            read = reads.with_acsylla(session, Deadline(wait)).read_async
            assert read is not None
            yield lambda ids: session.run(_awaited(read, ids, Deadline(wait)), Deadline(wait))
        finally:
            session.close()


async def _awaited(read: ReadAsync, ids: Sequence[str], deadline: Deadline) -> list[Stored | None]:
    return await read(ids, deadline)


@contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own: acsylla speaks asyncio only."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="bulk-reads", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
