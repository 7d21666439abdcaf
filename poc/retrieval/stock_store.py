"""Feast's own Cassandra store, on a session of ours.

Left alone it connects with the driver's defaults: no timeout that holds, half a minute until a node
that is back is used again, and a cache of prepared statements that all instances of the class share,
whichever cluster they are connected to. What is set here are the four attributes it keeps these in;
its reads and writes stay its own.
"""

from collections import namedtuple
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session

from poc.database.endpoint import configured_endpoint
from poc.database.sessions import open_session
from poc.retrieval.tables import holds_rows
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


class StockStoreSession:
    """The session that a stock Cassandra store reads with, and what it can tell of the store's tables.

    Attributes:
        where: the cluster's place, for messages.
    """

    def __init__(self, store: "FeatureStore", session: Session, where: str) -> None:
        self.where = where
        self._session = session
        self._keyspace = store.config.online_store.keyspace
        self._project = store.project

    def table(self, view: str) -> str:
        """Name the view's table, quoted as the store quotes it."""
        return f'"{self._keyspace}"."{self._project}_{view}"'

    def holds_rows(self, view: str, timeout_seconds: float) -> bool:
        """Tell whether the view's table has any row at all."""
        return holds_rows(self._session, self.table(view), timeout_seconds)

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()


def use_own_session(store: "FeatureStore", settings: Settings) -> StockStoreSession | None:
    """Connect as `open_session` does, and let the store's reads run there.

    Returns:
        The session; None where the online store is not exactly Feast's own one for Cassandra, which
        is then left to connect as it sees fit.

    Raises:
        InvalidDefinitions: the store names no hosts.
        CassandraUnavailable: no host accepts a connection.
    """
    from feast.infra.online_stores.contrib.cassandra_online_store import cassandra_online_store as stock

    online_store = store._get_provider().online_store
    if type(online_store) is not stock.CassandraOnlineStore:
        return None
    endpoint = configured_endpoint(settings)
    session = open_session(endpoint, request_timeout_seconds=settings.feature_timeout_seconds)
    session.get_execution_profile(EXEC_PROFILE_DEFAULT).row_factory = rows_by_name
    online_store._cluster = session.cluster
    online_store._session = session
    online_store._keyspace = store.config.online_store.keyspace
    online_store._prepared_statements = {}
    return StockStoreSession(store, session, str(endpoint))


def rows_by_name(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Make rows with named columns, as the driver's default does.

    The default builds a new class for each answer, which takes longer than the statement's own work.
    """
    row_class = _row_class(tuple(columns))
    return [row_class(*row) for row in rows]


@lru_cache(maxsize=64)
def _row_class(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", columns)
