"""The state of the online store, read from Cassandra: the records of materialization, the tables' sizes.

Reads a handful of rows and a sample of keys, so that it may be asked every few seconds.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from poc.definitions import FeatureSet, applied_service
from poc.errors import FeaturesNotApplied
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.records import AttemptRecord, MaterializationRecord
from poc.monitoring.state import State, TableCount, TableSize, ViewState
from poc.online_store.counting import ask_nodes, estimate_partitions
from poc.online_store.failures import cassandra_failures
from poc.online_store.naming import Table, direct_table_name, online_tables
from poc.online_store.session import open_session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)

# Other nodes are asked meanwhile; one that takes longer to tell its own sizes is in trouble.
NODE_TIMEOUT_SECONDS = 5.0
_MEBIBYTE = 2**20
# Each node's own table: the one that is asked is the one that is meant.
_USAGE = "SELECT keyspace_name, table_name, mebibytes FROM system_views.disk_usage"


def open_state_reader(settings: Settings) -> "CassandraStateReader":
    """Connect to the Cassandra of `settings`, as `CassandraStateReader` does and `open_feature_store` can."""
    store = open_feature_store(settings)
    return CassandraStateReader(store, settings.feature_service, settings.direct_keyspace)


class CassandraStateReader:
    """Reads the state of a feature service's views in the online store of `store`, whose registry is followed
    as it caches it. The records of materialization and the direct tables are in `direct_keyspace`.

    Raises:
        NoCassandra: the online store is kept elsewhere.
        CassandraUnavailable: no host accepts a connection.
    """

    def __init__(self, store: "FeatureStore", service: str, direct_keyspace: str) -> None:
        self._store, self._service, self._direct_keyspace = store, service, direct_keyspace
        self._connection = connection_of(store)
        self._session = open_session(self._connection)

    def read(self) -> State:
        """Read it now; see `StateReader.read`. The sizes and counts that no answer came for are left out.

        Raises also what `poc.definitions.applied_service` raises.
        """
        views = self._views()
        with cassandra_failures(self._connection):
            states = tuple(self._view(view) for view in views)
        sizes = self._sizes()
        # Where both keyspaces are one, so may be two tables of a view.
        tables = dict.fromkeys(table for view in views for table in self._tables(view))
        return State(
            online_store=self._store.config.online_store.type,
            views=states,
            counts=tuple(self._counts(tables)),
            sizes=tuple(size for of_node in sizes.values() for size in of_node or ()),
            nodes={node: of_node is not None for node, of_node in sizes.items()},
        )

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()

    def _views(self) -> tuple[FeatureSet, ...]:
        try:
            return applied_service(self._store, self._service, cached=True).feature_sets
        except FeaturesNotApplied:
            # What was not there is looked for at once, and not when the cache is due.
            return applied_service(self._store, self._service).feature_sets

    def _view(self, definitions: FeatureSet) -> ViewState:
        project, key = self._store.project, (self._store.config.online_store.type, definitions.view)
        last_run = MaterializationRecord(self._direct_keyspace, project).last(self._session, *key)
        attempts = AttemptRecord(self._direct_keyspace, project).read(self._session, *key)
        return ViewState(definitions.view, definitions.ttl, last_run, attempts)

    def _tables(self, definitions: FeatureSet) -> list[Table]:
        """List where the view may be: of either Cassandra store, and the one that is read without Feast."""
        project, view = self._store.project, definitions.view
        online = online_tables(self._connection.keyspace, project, view).values()
        return [*online, (self._direct_keyspace, direct_table_name(project, view))]

    def _counts(self, tables: Iterable[Table]) -> Iterator[TableCount]:
        for keyspace, table in tables:
            try:
                count = estimate_partitions(self._session, keyspace, table)
            except Exception as error:  # How many there are is worth less than what else is known.
                log.warning("The entities of %s.%s cannot be counted: %s", keyspace, table, error)
                continue
            if count is not None:
                yield TableCount(keyspace, table, count)

    def _sizes(self) -> dict[str, list[TableSize] | None]:
        keyspaces = (self._connection.keyspace, self._direct_keyspace)

        def size(node: str, row: Any) -> TableSize:
            return TableSize(row.keyspace_name, row.table_name, node, row.mebibytes * _MEBIBYTE)

        answers = ask_nodes(self._session, _USAGE, NODE_TIMEOUT_SECONDS).items()
        return {
            node: None
            if rows is None
            else [size(node, row) for row in rows if row.keyspace_name in keyspaces]
            for node, rows in answers
        }
