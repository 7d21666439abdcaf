"""Features read from a Feast feature server: no connection to Cassandra, and no registry, on this side.

Names, types and ttl come from features.py. Whether the store was ever filled, the server cannot be
asked: an empty one gives unknown transactions.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from poc.definitions import FeatureSet, read_served_definitions
from poc.retrieval.feature_server import FeatureServer, LoopThread
from poc.retrieval.server_reads import ServerReads, fields_of
from poc.retrieval.source import utc_now
from poc.retrieval.stored_source import StoredFeatureSource
from poc.retrieval.tables import Deadline
from poc.settings import Settings

# The server connects to Cassandra in its first read, which takes longer than any other.
FIRST_READ_SECONDS = 5.0


def open_feature_server_source(settings: Settings) -> "FeatureServerSource":
    """Read the definitions, and find out that the server of `settings` has their features.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotApplied: the server's registry or online store does not know the features.
        FeatureServerUnavailable: no server answers.
        FeatureServerFailed: it answers with something else.
    """
    definitions = read_served_definitions(settings)
    source = FeatureServerSource(
        settings.feature_server_url,
        settings.feature_service,
        definitions,
        timeout_seconds=settings.feature_timeout_seconds,
    )
    try:
        source.probe(Deadline(max(FIRST_READ_SECONDS, settings.feature_timeout_seconds)))
    except BaseException:
        source.close()
        raise
    return source


class FeatureServerSource(StoredFeatureSource):
    """The features of one feature service, asked of a feature server.

    Args:
        url: where the server is.
        service: the feature service.
        definitions: its features, as features.py declares them.
        timeout_seconds: longest that one `read` may take.
        clock: tells the time, UTC-aware.
    """

    name = "feature-server"

    def __init__(
        self,
        url: str,
        service: str,
        definitions: FeatureSet,
        *,
        timeout_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._url = url
        self._own = LoopThread()
        self._servers = [FeatureServer(url, self._own.loop)]
        reads = ServerReads(service, definitions, fields_of(definitions), self._servers[0])
        super().__init__(reads, None, driver="auto", timeout_seconds=timeout_seconds, clock=clock)

    def probe(self, deadline: Deadline) -> None:
        """Find out whether the server has the features; see `Reads.probe`."""
        self._reads.probe(deadline)

    def use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let `loop` ask the server by itself, over connections of its own."""
        with self._changing:
            assert isinstance(self._reads, ServerReads)
            self._servers.append(FeatureServer(self._url, loop))
            self._reads = replace(self._reads, on_loop=self._servers[-1])

    def close(self) -> None:
        """Close the connections. A second call does nothing."""
        for server in self._servers:
            server.close()
        self._own.stop()
