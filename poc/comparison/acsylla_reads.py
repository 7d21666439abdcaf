"""Reads of the direct table with acsylla, the C++ driver, as its callers have to wait for them.

acsylla speaks asyncio only. The loop runs in the caller's own thread, for as long as a read takes: what
is waited is what an async handler would await, and no switch between threads comes on top.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from poc.database.endpoint import Endpoint
from poc.online_store.acsylla_writer import cluster_arguments
from poc.retrieval.acsylla_session import endpoint_connection

READS_IN_FLIGHT = 100
TIMEOUT_SECONDS = 10.0

Rows = list[tuple[Any, ...] | None]


class AcsyllaReads:
    """One prepared statement with one marker, on a session of its own. For one thread at a time.

    Args:
        endpoint: the cluster.
        cql: the statement; it gives one row at most.
        consistency: level it reads at, by Cassandra's name.

    Raises:
        acsylla.errors.CassException: no node accepts a connection, or the statement is refused.
    """

    def __init__(self, endpoint: Endpoint, cql: str, consistency: str) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self._session, self._statement = self._loop.run_until_complete(
                _prepare(endpoint, cql, consistency)
            )
        except BaseException:
            self._loop.close()
            raise

    def rows(self, keys: Sequence[str]) -> Rows:
        """Read the row of each of `keys`, in their order; None where there is none."""
        return self._loop.run_until_complete(self._one(keys[0]) if len(keys) == 1 else self._many(keys))

    def close(self) -> None:
        """End the session and the loop."""
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    async def _one(self, key: str) -> Rows:
        return [await self._row(key)]

    async def _many(self, keys: Sequence[str]) -> Rows:
        found: Rows = [None] * len(keys)

        async def lane(places: Iterator[int]) -> None:
            for place in places:
                found[place] = await self._row(keys[place])

        places = iter(range(len(keys)))
        await asyncio.gather(*(lane(places) for _ in range(min(READS_IN_FLIGHT, len(keys)))))
        return found

    async def _row(self, key: str) -> tuple[Any, ...] | None:
        statement = self._statement.bind((key,))
        statement.set_is_idempotent(True)
        row = (await self._session.execute(statement)).first()
        return None if row is None else tuple(row.as_tuple())


async def _prepare(endpoint: Endpoint, cql: str, consistency: str) -> tuple[Any, Any]:
    import acsylla

    arguments = cluster_arguments(endpoint_connection(endpoint, TIMEOUT_SECONDS))
    cluster = acsylla.create_cluster(**arguments | {"consistency": consistency})
    session = await cluster.create_session()
    return session, await session.create_prepared(cql)
