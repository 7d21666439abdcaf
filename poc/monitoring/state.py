"""The state of the online store at one moment, read from Cassandra: how each view was filled, how large its
tables are, which nodes answer.

Reads a handful of rows and a sample of keys, so that it may be asked every few seconds.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from poc.definitions import FeatureSet, applied_service
from poc.errors import FeaturesNotApplied
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.records import AttemptRecord, Attempts, MaterializationRecord, MaterializationRun
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import online_tables
from poc.online_store.naming import Table, direct_table_name
from poc.online_store.partitions import ask_nodes, estimate_partitions
from poc.online_store.session import open_session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)

# Other nodes are asked meanwhile; one that takes longer to tell its own sizes is in trouble.
NODE_TIMEOUT_SECONDS = 5.0
# Each node's own table: the one that is asked is the one that is meant.
_USAGE = "SELECT keyspace_name, table_name, mebibytes FROM system_views.disk_usage"


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is known of one feature view: the age from which its values are stale, and how it was filled."""

    feature_view: str
    ttl: timedelta | None
    last_run: MaterializationRun | None
    attempts: Attempts

    @property
    def last_success(self) -> datetime | None:
        """When the last attempt that succeeded ended, UTC; None if none did."""
        if self.attempts.last_succeeded_at is not None:
            return self.attempts.last_succeeded_at
        # Runs before attempts were recorded.
        return None if self.last_run is None else self.last_run.finished_at


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a service's feature views, each once, and the tables that hold them.

    Attributes:
        online_store: its type in Feast's configuration.
        entities: estimated number in each table of the views, by keyspace and table.
        size_bytes: what each table of the two keyspaces takes of the disk of each node that answered, rounded
            up to whole MiB; by keyspace, table and node. Empty where the user may not read them.
        nodes: whether each node of the servers' data centre answered.
    """

    online_store: str
    views: Sequence[ViewState]
    entities: Mapping[Table, int]
    size_bytes: Mapping[tuple[str, str, str], int]
    nodes: Mapping[str, bool]


def open_state_reader(settings: Settings) -> "StateReader":
    """Connect to the Cassandra of `settings`, as `StateReader` does and `open_feature_store` can."""
    return StateReader(open_feature_store(settings), settings.feature_service, settings.direct_keyspace)


class StateReader:
    """Reads the state of a feature service's views in the online store of `store`, whose registry is followed
    as it caches it. The records of materialization and the direct tables are in `direct_keyspace`.

    Raises NoCassandra where the online store is kept elsewhere, CassandraUnavailable without an answer.
    """

    def __init__(self, store: "FeatureStore", service: str, direct_keyspace: str) -> None:
        self._store, self._service, self._direct_keyspace = store, service, direct_keyspace
        self._connection = connection_of(store)
        self._session = open_session(self._connection)

    def read(self) -> State:
        """Read it now, without the sizes and counts that no answer came for.

        Raises CassandraUnavailable where no node answers in time, and what `applied_service` raises.
        """
        views = self._views()
        with cassandra_failures(self._connection):
            states = tuple(self._view(view) for view in views)
        usage = ask_nodes(self._session, _USAGE, NODE_TIMEOUT_SECONDS)
        keyspaces = (self._connection.keyspace, self._direct_keyspace)
        return State(
            online_store=self._store.config.online_store.type,
            views=states,
            # Where both keyspaces are one, so may be two tables of a view.
            entities=self._entities({table: None for view in views for table in self._tables(view)}),
            size_bytes={
                (row.keyspace_name, row.table_name, node): row.mebibytes * 2**20
                for node, rows in usage.items()
                for row in ([] if rows is None else rows)
                if row.keyspace_name in keyspaces
            },
            nodes={node: rows is not None for node, rows in usage.items()},
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
        """Return where the view may be: of either Cassandra store, and the one that is read without Feast."""
        project, view = self._store.project, definitions.view
        online = online_tables(self._session, self._connection.keyspace, project, view).values()
        return [*online, (self._direct_keyspace, direct_table_name(project, view))]

    def _entities(self, tables: Iterable[Table]) -> dict[Table, int]:
        counts: dict[Table, int] = {}
        for keyspace, table in tables:
            try:
                count = estimate_partitions(self._session, keyspace, table)
            except Exception as error:  # How many there are is worth less than what else is known.
                log.warning("The entities of %s.%s cannot be counted: %s", keyspace, table, error)
                continue
            if count is not None:
                counts[keyspace, table] = count
        return counts
