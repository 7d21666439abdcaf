"""The row store of this project, read through its own reader under this project's time limit."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from poc.errors import CassandraUnavailable, OnlineTableMissing
from poc.retrieval.lookup import Lookup, Row, one_row
from poc.retrieval.plan import ReadPlan
from poc.retrieval.reads import CassandraReads, Fetch
from poc.retrieval.tables import Deadline, cassandra_failures
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.online_store.connection import ConnectionSettings
    from poc.online_store.read import RowReader
    from poc.online_store.row_store import CassandraRowOnlineStore

# Characters that are within Cassandra's limit for a key whatever they are. A longer id takes the way
# of all keys, through Feast's messages, which costs some microseconds.
CERTAINLY_FITS = 10_000


class RowStore:
    """The store of `store`, which is a `CassandraRowOnlineStore`.

    Args:
        store: its settings.
        online: the store itself.
        settings: how long to wait for Cassandra.

    Raises:
        CassandraUnavailable: no host accepts a connection.
    """

    def __init__(self, store: "FeatureStore", online: "CassandraRowOnlineStore", settings: Settings) -> None:
        self._config, self._online = store.config, online
        stated = self._config.online_store.request_timeout
        self._config.online_store.request_timeout = min(stated, settings.feature_timeout_seconds)
        self._where = str(self.connection())
        with cassandra_failures(self._where, lambda: CassandraUnavailable(self._where, "no such keyspace")):
            self._session = online.session(self._config)

    def reads(self, plan: ReadPlan) -> CassandraReads:
        """Prepare the statement of `plan`."""
        from poc.online_store.layout import row_layout

        keyspace = self._config.online_store.keyspace

        def missing() -> OnlineTableMissing:
            return OnlineTableMissing(row_layout(keyspace, self._config.project, plan.table).qualified)

        with cassandra_failures(self._where, missing):
            table = row_layout(keyspace, self._config.project, plan.table).qualified
            reader = self._online.reader(self._config, plan.table, plan.feature_names)
        lookup = Lookup(
            table=table,
            cql=reader.cql,
            names=reader.names,
            ttl=plan.ttl,
            key=row_key(reader, plan.join_key),
            stored=one_row(reader.names),
            missing=missing,
        )
        return CassandraReads(lookup, self._where, self._session, rows_of(reader))

    def connection(self) -> "ConnectionSettings":
        """Give the way that acsylla takes."""
        from poc.online_store.connection import row_store_connection

        return row_store_connection(self._config.online_store, self._config.repo_path)

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()


def rows_of(reader: "RowReader") -> Fetch:
    """Give the reads of `reader`, so many at a time that all together keep to the deadline."""

    def fetch(keys: Sequence[str], deadline: Deadline) -> list[Sequence[Row]]:
        found: list[Sequence[Row]] = []
        for start in range(0, len(keys), reader.keys_at_once):
            wanted = [(key,) for key in keys[start : start + reader.keys_at_once]]
            found += [() if row is None else (row,) for row in reader.rows(wanted, deadline.remaining())]
        return found

    return fetch


def row_key(reader: "RowReader", join_key: str) -> Callable[[str], str | None]:
    """Give the function from an id to what is bound for it."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    from poc.online_store.keys import kept

    def key(transaction_id: str) -> str | None:
        if len(transaction_id) <= CERTAINLY_FITS:
            return str(kept(transaction_id))
        values = [Value(string_val=transaction_id)]
        bound = reader.key(EntityKey(join_keys=[join_key], entity_values=values))
        return None if bound is None else bound[0]

    return key
