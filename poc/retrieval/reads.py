"""Reads of one view that is kept in Cassandra, whichever layout it has and whichever driver sends them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cassandra.cluster import Session

from poc.errors import CassandraUnavailable, FeaturesNotMaterialized
from poc.retrieval.lookup import Lookup, Row, Stored
from poc.retrieval.tables import Deadline, cassandra_failures, holds_rows

if TYPE_CHECKING:
    from poc.retrieval.acsylla_session import AcsyllaRows, AcsyllaSession

Fetch: TypeAlias = Callable[[Sequence[str], Deadline], Sequence[Sequence[Row]]]
ReadAsync: TypeAlias = Callable[[Sequence[str], Deadline], Awaitable[list[Stored | None]]]

# An id that no transaction has; Cassandra refuses an empty one.
PROBE_ID = "\N{EM DASH}"


class Reads(Protocol):
    """Reads of the features of one view, everything they need prepared."""

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in declared order."""
        ...

    @property
    def ttl(self) -> timedelta | None:
        """Age from which a value is stale; None if it never is."""
        ...

    def read(self, transaction_ids: Sequence[str], deadline: Deadline) -> list[Stored | None]:
        """Give what is stored of each id, in their order; None for an absent one."""
        ...

    @property
    def read_async(self) -> ReadAsync | None:
        """Does the same without blocking the event loop; None where that cannot be had."""
        ...

    def probe(self, deadline: Deadline) -> None:
        """Find out whether reads can succeed now."""
        ...

    def require_filled(self, deadline: Deadline) -> None:
        """Tell an empty store from one that lacks some transactions.

        Raises:
            FeaturesNotMaterialized: it is empty.
        """
        ...


@dataclass(frozen=True, slots=True)
class CassandraReads:
    """`Reads` by one statement.

    Attributes:
        lookup: the statement, and what its rows mean.
        where: the cluster, for messages.
        session: where to ask whether the table is empty.
        fetch: gives the rows of each key.
        acsylla: the session that an event loop reads with, and the statement prepared there; None
            where there is no such.
    """

    lookup: Lookup
    where: str
    session: Session
    fetch: Fetch
    acsylla: "tuple[AcsyllaSession, AcsyllaRows] | None" = None

    @property
    def names(self) -> tuple[str, ...]:
        """See `Reads`."""
        return self.lookup.names

    @property
    def ttl(self) -> timedelta | None:
        """See `Reads`."""
        return self.lookup.ttl

    def with_acsylla(self, session: "AcsyllaSession", deadline: Deadline) -> "CassandraReads":
        """Give the same reads, with `read_async` on `session`."""
        from poc.retrieval.acsylla_session import acsylla_failures

        with acsylla_failures(self.where, self.lookup.missing):
            return replace(self, acsylla=(session, session.prepare(self.lookup.cql, deadline)))

    def read(self, transaction_ids: Sequence[str], deadline: Deadline) -> list[Stored | None]:
        """See `Reads`."""
        keys = [self.lookup.key(item) for item in transaction_ids]
        wanted = [key for key in keys if key is not None]
        with cassandra_failures(self.where, self.lookup.missing):
            rows = self.fetch(wanted, deadline) if wanted else ()
        return self._stored(transaction_ids, keys, rows)

    @property
    def read_async(self) -> ReadAsync | None:
        """See `Reads`."""
        return None if self.acsylla is None else self._read_async

    async def _read_async(self, transaction_ids: Sequence[str], deadline: Deadline) -> list[Stored | None]:
        from poc.retrieval.acsylla_session import acsylla_failures

        assert self.acsylla is not None
        _, fetch = self.acsylla
        keys = [self.lookup.key(item) for item in transaction_ids]
        wanted = [key for key in keys if key is not None]
        try:
            with acsylla_failures(self.where, self.lookup.missing):
                rows = await fetch(wanted, deadline) if wanted else ()
        except CassandraUnavailable:
            # acsylla says of a table that is gone what it says of a cluster that is: the other driver knows.
            await asyncio.to_thread(self.read, [PROBE_ID], deadline)
            raise
        return self._stored(transaction_ids, keys, rows)

    def probe(self, deadline: Deadline) -> None:
        """See `Reads`. Both drivers are asked: after an outage one may be back before the other."""
        self.read([PROBE_ID], deadline)
        if self.acsylla is not None:
            session, _ = self.acsylla
            session.run(self._read_async([PROBE_ID], deadline), deadline)

    def require_filled(self, deadline: Deadline) -> None:
        """See `Reads`."""
        with cassandra_failures(self.where, self.lookup.missing):
            filled = holds_rows(self.session, self.lookup.table, deadline.remaining())
        if not filled:
            raise FeaturesNotMaterialized(self.lookup.table)

    def _stored(
        self,
        transaction_ids: Sequence[str],
        keys: Sequence[str | None],
        rows: Sequence[Sequence[Row]],
    ) -> list[Stored | None]:
        stored, following = self.lookup.stored, iter(rows)
        return [
            None if key is None else stored(transaction_id, next(following))
            for transaction_id, key in zip(transaction_ids, keys, strict=True)
        ]
