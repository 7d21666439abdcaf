"""Features read from the direct table, without Feast: one prepared statement an id."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from cassandra.cluster import Session

from poc.database.endpoint import Endpoint, configured_endpoint
from poc.database.sessions import open_session
from poc.definitions import read_served_definitions
from poc.errors import FeaturesNotMaterialized
from poc.retrieval.driver_rows import DriverRows
from poc.retrieval.lookup import Lookup, one_row
from poc.retrieval.reads import CassandraReads
from poc.retrieval.source import utc_now
from poc.retrieval.stored_source import Driver, StoredFeatureSource
from poc.retrieval.tables import cassandra_failures
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.database.direct_table import DirectTable
    from poc.online_store.connection import ConnectionSettings


def open_direct_source(settings: Settings) -> "DirectFeatureSource":
    """Connect, and prepare the statement for the direct table of `settings`.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotMaterialized: there is no such table yet.
        FeaturesOutdated: it lacks a feature.
        CassandraUnavailable: no host accepts a connection.
    """
    # It imports Feast's types, which takes seconds: not before the cheap checks of a script.
    from poc.database.direct_table import DirectTable

    definitions = read_served_definitions(settings)
    endpoint = configured_endpoint(settings)
    session = open_session(endpoint, request_timeout_seconds=settings.feature_timeout_seconds)
    try:
        return DirectFeatureSource(
            session,
            DirectTable(settings.direct_keyspace, definitions),
            endpoint,
            driver=settings.feature_driver,
            timeout_seconds=settings.feature_timeout_seconds,
        )
    except BaseException:
        session.cluster.shutdown()
        raise


class DirectFeatureSource(StoredFeatureSource):
    """The features of one direct table.

    Args:
        session: where to read; `close` ends it.
        table: the table.
        endpoint: the cluster.
        driver: what `use_loop` may take.
        timeout_seconds: longest that one `read` may take.
        clock: tells the time, UTC-aware.
    """

    name = "direct"

    def __init__(
        self,
        session: Session,
        table: "DirectTable",
        endpoint: Endpoint,
        *,
        driver: Driver,
        timeout_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._session, self._endpoint = session, endpoint
        lookup, where = direct_lookup(table), str(endpoint)
        with cassandra_failures(where, lookup.missing):
            fetch = DriverRows(session, lookup.cql, endpoint.read_consistency)
        super().__init__(
            CassandraReads(lookup, where, session, fetch),
            self._connection_settings,
            driver=driver,
            timeout_seconds=timeout_seconds,
            clock=clock,
        )

    def _connection_settings(self) -> "ConnectionSettings":
        from poc.retrieval.acsylla_session import endpoint_connection

        return endpoint_connection(self._endpoint, self._timeout_seconds)

    def close(self) -> None:
        """End the sessions. A second call does nothing."""
        super().close()
        self._session.cluster.shutdown()


def direct_lookup(table: "DirectTable") -> Lookup:
    """Tell how a transaction's features lie in the direct table."""
    definitions = table.definitions
    return Lookup(
        table=table.qualified_name,
        cql=table.select_cql,
        names=definitions.names,
        ttl=definitions.ttl,
        # Cassandra refuses an empty key as an invalid statement; no transaction has it.
        key=lambda transaction_id: None if transaction_id == "" else transaction_id,
        stored=one_row(definitions.names),
        missing=lambda: FeaturesNotMaterialized(table.qualified_name),
    )
