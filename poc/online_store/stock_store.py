"""Feast's own Cassandra store on our connection: what `type: cassandra` is under the resolving provider.

Left alone it connects with the driver's defaults: no timeout that holds, half a minute until a node that is
back is used again, a cache of statements that all its instances share; and a failed read it takes for an
absent row. Its tables and their bytes stay exactly its own.
"""

import threading
from collections.abc import Sequence
from typing import Any

from cassandra.cluster import Session
from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.contrib.cassandra_online_store.cassandra_online_store import (
    CassandraOnlineStore,
)
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store.acsylla_reads import AcsyllaReads, acsylla_reads
from poc.online_store.connection import Driver, connection_settings
from poc.online_store.feast_rows import FeatureRow, read_feast_rows, read_feast_rows_async
from poc.online_store.layout import row_layout
from poc.online_store.readers import Readers
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import open_session
from poc.online_store.stock_layout import entity_key, stock_table
from poc.online_store.stock_reader import StockReader
from poc.online_store.types import key_type


class StockCassandraOnlineStore(CassandraOnlineStore):  # type: ignore[misc]
    """The stock store, with sessions, reads and errors of ours.

    Attributes:
        driver: what reads for event loops.
    """

    def __init__(self) -> None:
        self.driver: Driver = "auto"
        self._lock = threading.Lock()
        self._acsylla: AcsyllaReads | None = None
        self._readers: Readers[StockReader] = Readers(self._new_reader)
        self._session: Session | None = None
        self._prepared_statements: dict[str, Any] = {}

    def session(self, config: RepoConfig) -> Session:
        """Give the store's session, opened when first asked for.

        Raises:
            CassandraUnavailable: no node accepts a connection.
        """
        return self._get_session(config)

    def _get_session(self, config: RepoConfig) -> Session:
        if self._session is None:
            with self._lock:
                if self._session is None:
                    settings = connection_settings(config)
                    self._acsylla = acsylla_reads(settings, self.driver)
                    session = open_session(settings)
                    self._keyspace, self._cluster = settings.keyspace, session.cluster
                    self._session = session
        return self._session

    def close(self) -> None:
        """End the sessions; the next call opens others."""
        with self._lock:
            session, self._session = self._session, None
            acsylla, self._acsylla = self._acsylla, None
            self._prepared_statements = {}
            self._readers.clear()
        if acsylla is not None:
            acsylla.close()
        if session is not None:
            session.cluster.shutdown()

    def reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> StockReader:
        """Give the reader of some features of `view` (of all for None), prepared when first asked for."""
        return self._readers.get(config, view, features)

    def _new_reader(
        self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None
    ) -> StockReader:
        session = self._get_session(config)
        settings = connection_settings(config)
        layout = row_layout(settings.keyspace, config.project, view)
        return StockReader(
            session,
            stock_table(settings.keyspace, config.project, view.name),
            view,
            [column.field for column in layout.features] if features is None else features,
            config.entity_key_serialization_version,
            settings,
            self._acsylla,
        )

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make the tables as Feast's own store does, and the keyspace where it is missing.

        Raises:
            UnsupportedType: a join key has a type that Feast cannot serialize; nothing has been changed then.
        """
        for view in tables_to_keep:
            keys = {column.name: key_type(column.name, column.dtype) for column in view.entity_columns}
            entity_key(keys, config.entity_key_serialization_version)
        ensure_keyspace(self._get_session(config), connection_settings(config))
        super().update(
            config, tables_to_delete, tables_to_keep, entities_to_delete, entities_to_keep, partial
        )

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Read as Feast asks; a read that fails raises what the driver raised."""
        return read_feast_rows(self.reader(config, table, requested_features), table, entity_keys)

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Do what `online_read` does, without blocking the event loop once the statement is prepared."""
        return await read_feast_rows_async(self.reader(config, table, requested_features), table, entity_keys)
