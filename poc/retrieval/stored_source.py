"""What all sources over stored features share: what is absent, what is stale, what was never filled."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from poc.errors import CassandraUnavailable, DriverNotInstalled
from poc.retrieval.lookup import Stored
from poc.retrieval.reads import CassandraReads, Reads
from poc.retrieval.source import AsyncRead, TransactionFeatures, is_stale, utc_now
from poc.retrieval.tables import Deadline

if TYPE_CHECKING:
    from poc.online_store.connection import ConnectionSettings
    from poc.retrieval.acsylla_session import AcsyllaSession

log = logging.getLogger(__name__)

Driver = Literal["auto", "acsylla", "cassandra-driver"]


class StoredFeatureSource:
    """A `FeatureSource` over some `Reads`, which may be replaced while others read.

    Args:
        reads: what to read by.
        connection: gives the way that acsylla takes; None where the store cannot be read with it.
        driver: what `use_loop` may take.
        timeout_seconds: longest that one `read` may take.
        clock: tells the time, UTC-aware.
    """

    def __init__(
        self,
        reads: Reads,
        connection: "Callable[[], ConnectionSettings] | None",
        *,
        driver: Driver,
        timeout_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._reads = reads
        self._connection = connection
        self._driver = driver
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._filled = False
        self._acsylla: AcsyllaSession | None = None
        # Held while reads are replaced, never while they are used.
        self._changing = threading.Lock()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The declared features, in declared order."""
        return self._reads.names

    def read(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        """Read the features of `transaction_ids`; see `FeatureSource.read`."""
        reads, deadline = self._reads, Deadline(self._timeout_seconds)
        found = self._features(reads, transaction_ids, reads.read(transaction_ids, deadline))
        if not self._filled and found:
            if not any(found):
                reads.require_filled(deadline)
            self._filled = True
        return found

    @property
    def async_read(self) -> AsyncRead | None:
        """See `FeatureSource.async_read`."""
        return None if self._reads.read_async is None else self._read_async

    async def _read_async(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        reads, deadline = self._reads, Deadline(self._timeout_seconds)
        read = reads.read_async
        assert read is not None
        found = self._features(reads, transaction_ids, await read(transaction_ids, deadline))
        if not self._filled and found:
            if not any(found):
                await asyncio.to_thread(reads.require_filled, deadline)
            self._filled = True
        return found

    def use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect acsylla on `loop`, where it is installed and allowed; see `FeatureSource.use_loop`.

        Raises:
            DriverNotInstalled: acsylla is demanded and not there.
            CassandraUnavailable: it is demanded and cannot connect.
        """
        if self._driver == "cassandra-driver" or self._connection is None:
            return
        from poc.online_store.acsylla_writer import acsylla_is_installed

        if not acsylla_is_installed():
            if self._driver == "acsylla":
                raise DriverNotInstalled("acsylla")
            return
        connection = self._connection()
        if not connection.hosts:
            return
        from poc.retrieval.acsylla_session import AcsyllaSession

        try:
            session = AcsyllaSession(connection, loop)
        except CassandraUnavailable as error:
            # cassandra-driver has just connected: better slower than not at all.
            if self._driver == "acsylla":
                raise
            log.warning("acsylla is left out, reads run in threads: %s", error.what)
            return
        with self._changing:
            self._acsylla = session
            self._reads = self._with_acsylla(self._reads)

    def check(self) -> None:
        """Find out whether `read` can succeed now; see `FeatureSource.check`."""
        reads, deadline = self._reads, Deadline(self._timeout_seconds)
        reads.probe(deadline)
        self._filled = False
        reads.require_filled(deadline)
        self._filled = True

    def close(self) -> None:
        """End acsylla's session. A second call does nothing."""
        if self._acsylla is not None:
            self._acsylla.close()

    def _with_acsylla(self, reads: Reads) -> Reads:
        if self._acsylla is None or not isinstance(reads, CassandraReads):
            return reads
        return reads.with_acsylla(self._acsylla, Deadline(self._timeout_seconds))

    def _features(
        self, reads: Reads, transaction_ids: Sequence[str], stored: Sequence[Stored | None]
    ) -> list[TransactionFeatures | None]:
        ttl, now = reads.ttl, self._clock()
        return [
            None
            if item is None
            else TransactionFeatures(transaction_id, item[1], item[0], is_stale(item[0], ttl, now))
            for transaction_id, item in zip(transaction_ids, stored, strict=True)
        ]
