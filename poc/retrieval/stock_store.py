"""Feast's own Cassandra store, read on a session of ours.

Left alone it connects with the driver's defaults: no timeout that holds, and half a minute until a
node that is back is used again; a failed read it takes for an absent row. Its layout is simple and
its own tests' business: a partition an entity, a row a feature, values as protobuf.
"""

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from poc.database.endpoint import configured_endpoint
from poc.database.sessions import open_session
from poc.errors import OnlineTableMissing
from poc.retrieval.driver_rows import DriverRows
from poc.retrieval.lookup import Lookup, Row, Stored, event_time
from poc.retrieval.plan import ReadPlan
from poc.retrieval.reads import CassandraReads
from poc.retrieval.tables import cassandra_failures
from poc.retrieval.values import python_value
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.online_store.connection import ConnectionSettings


class StockStore:
    """The store of `store`, which is Feast's own for Cassandra.

    Args:
        store: names project and keyspace.
        settings: where the cluster is, and how long to wait for it.

    Raises:
        InvalidDefinitions: the store names no hosts.
        CassandraUnavailable: no host accepts a connection.
    """

    def __init__(self, store: "FeatureStore", settings: Settings) -> None:
        self._config, self._project = store.config, store.project
        self._endpoint = configured_endpoint(settings)
        self._timeout_seconds = settings.feature_timeout_seconds
        self._session = open_session(self._endpoint, request_timeout_seconds=self._timeout_seconds)

    def reads(self, plan: ReadPlan) -> CassandraReads:
        """Prepare the statement of `plan`."""
        from poc.online_store.stock_layout import stock_table

        table = stock_table(self._config.online_store.keyspace, self._project, plan.view)
        lookup = Lookup(
            table=table,
            cql=f"SELECT feature_name, value, event_ts FROM {table} WHERE entity_key = ?",
            names=plan.feature_names,
            ttl=plan.ttl,
            key=stock_key(plan.join_key, self._config.entity_key_serialization_version),
            stored=stock_rows(plan.fields),
            missing=lambda: OnlineTableMissing(table),
        )
        where = str(self._endpoint)
        with cassandra_failures(where, lookup.missing):
            return CassandraReads(lookup, where, self._session, DriverRows(self._session, lookup.cql))

    def connection(self) -> "ConnectionSettings":
        """Give the way that acsylla takes."""
        from poc.retrieval.acsylla_session import endpoint_connection

        return endpoint_connection(self._endpoint, self._timeout_seconds)

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()


def stock_key(join_key: str, version: int) -> Callable[[str], str]:
    """Give the function from an id to its entity key as the store has it: hexadecimal text.

    Args:
        join_key: name of the id's column.
        version: Feast's `entity_key_serialization_version`.
    """
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    # Feast's own bytes up to the id's length, which come before every id alike.
    empty = EntityKey(join_keys=[join_key], entity_values=[Value(string_val="")])
    head: bytes = serialize_entity_key(empty, entity_key_serialization_version=version)[:-4]

    def key(transaction_id: str) -> str:
        content = transaction_id.encode()
        return (head + struct.pack("<I", len(content)) + content).hex()

    return key


def stock_rows(fields: Sequence[tuple[str, str]]) -> Callable[[str, Sequence[Row]], Stored | None]:
    """Give `Lookup.stored` for rows of feature name, value, event time.

    Args:
        fields: for each feature, in declared order, the field of Feast's Value message that holds it.
    """
    from feast.protos.feast.types.Value_pb2 import Value

    wanted, parse = dict(fields), Value.FromString

    def stored(transaction_id: str, rows: Sequence[Row]) -> Stored | None:
        # A feature that was added after the last materialization is not stored yet.
        values = dict.fromkeys(wanted)
        known, moment = False, None
        for name, content, event_ts in rows:
            field = wanted.get(name)
            if field is not None:
                values[name] = python_value(parse(content), field, name)
                known, moment = True, event_ts
        return (event_time(transaction_id, moment), values) if known else None

    return stored
