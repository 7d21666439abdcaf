"""The state of the online store, read from Cassandra: the records of materialization, the tables' sizes.

Reads a handful of rows and a sample of keys, so that it may be asked every few seconds.
"""

import logging
from collections.abc import Iterator
from typing import Any

from cassandra.cluster import ResponseFuture, Session
from cassandra.policies import HostDistance
from cassandra.pool import Host

from poc.database.attempts import AttemptRecord
from poc.database.endpoint import Endpoint, configured_endpoint, online_store_type
from poc.database.keyspaces import online_store_keyspace
from poc.database.materializations import MaterializationRecord
from poc.database.sessions import driver_errors_as_unavailable, idempotent, open_session
from poc.definitions import FeatureSet, read_definitions, read_repo_yaml
from poc.monitoring.counting import estimate_partitions
from poc.monitoring.state import State, TableCount, TableSize
from poc.online_store.naming import table_name
from poc.settings import Settings

log = logging.getLogger(__name__)

# Other nodes are asked meanwhile; one that takes longer to tell its own sizes is in trouble.
NODE_TIMEOUT_SECONDS = 5.0
_MEBIBYTE = 2**20


def open_state_reader(settings: Settings) -> "CassandraStateReader":
    """Connect to the Cassandra of `settings`.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        CassandraUnavailable: no host accepts a connection.
    """
    definitions, endpoint = read_definitions(settings), configured_endpoint(settings)
    keyspace, project = online_store_keyspace(settings), str(read_repo_yaml(settings)["project"])
    view = definitions.view
    tables = (
        # By Feast's own store, by the row store, and the one that is read without Feast.
        (keyspace, f"{project}_{view}"),
        (keyspace, table_name(project, view)),
        (settings.direct_keyspace, view),
    )
    session = open_session(endpoint)
    return CassandraStateReader(
        session, endpoint, online_store_type(settings), definitions, settings.direct_keyspace, tables
    )


class CassandraStateReader:
    """Reads the state of one feature view in one online store.

    Args:
        session: where to read; `close` ends it.
        endpoint: the cluster, for messages.
        online_store: type of the online store in Feast's configuration.
        definitions: the view.
        records: keyspace of the records of materialization.
        tables: keyspaces and names of the tables that may hold the view.
    """

    def __init__(
        self,
        session: Session,
        endpoint: Endpoint,
        online_store: str,
        definitions: FeatureSet,
        records: str,
        tables: tuple[tuple[str, str], ...],
    ) -> None:
        self._session, self._endpoint = session, endpoint
        self._online_store, self._definitions = online_store, definitions
        self._records, self._tables = records, tables
        self._keyspaces = {keyspace for keyspace, _ in tables}

    def read(self) -> State:
        """Read it now; see `StateReader.read`. The sizes and counts that no answer came for are left out."""
        session, store, view = self._session, self._online_store, self._definitions.view
        with driver_errors_as_unavailable(self._endpoint):
            run = MaterializationRecord(self._records).last(session, store, view)
            attempts = AttemptRecord(self._records).read(session, store, view)
        sizes = self._sizes()
        return State(
            online_store=store,
            feature_view=view,
            ttl=self._definitions.ttl,
            last_run=run,
            attempts=attempts,
            counts=tuple(self._counts()),
            sizes=tuple(size for of_node in sizes.values() for size in of_node or ()),
            nodes={node: of_node is not None for node, of_node in sizes.items()},
        )

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()

    def _counts(self) -> Iterator[TableCount]:
        for keyspace, table in self._tables:
            try:
                count = estimate_partitions(self._session, keyspace, table)
            except Exception as error:  # How many there are is worth less than what else is known.
                log.warning("The entities of %s.%s cannot be counted: %s", keyspace, table, error)
                continue
            if count is not None:
                yield TableCount(keyspace, table, count)

    def _sizes(self) -> dict[str, list[TableSize] | None]:
        """Ask every node at once for its tables; None for one that does not answer.

        A node of another datacenter is not connected to, and so is not asked.
        """
        cluster = self._session.cluster
        hosts = [
            host
            for host in cluster.metadata.all_hosts()
            if cluster.profile_manager.distance(host) != HostDistance.IGNORED
        ]
        asked = [(host, self._ask(host)) for host in hosts]
        return {host.address: self._answer(host, future) for host, future in asked}

    def _ask(self, host: Host) -> ResponseFuture | None:
        if host.is_up is False:
            return None
        usage = idempotent("SELECT keyspace_name, table_name, mebibytes FROM system_views.disk_usage")
        # The table is each node's own: the one that is asked is the one that is meant.
        return self._session.execute_async(usage, host=host, timeout=NODE_TIMEOUT_SECONDS)

    def _answer(self, host: Host, future: ResponseFuture | None) -> list[TableSize] | None:
        if future is None:
            return None
        try:
            rows = future.result().all()
        except Exception as error:  # Whatever keeps one node from answering, the others are still told of.
            log.warning("Node %s does not tell its sizes: %s", host.address, error)
            return None
        return [self._size(row, host) for row in rows if row.keyspace_name in self._keyspaces]

    def _size(self, row: Any, host: Host) -> TableSize:
        return TableSize(row.keyspace_name, row.table_name, host.address, row.mebibytes * _MEBIBYTE)
