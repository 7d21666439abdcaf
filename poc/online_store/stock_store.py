"""Feast's own Cassandra store on our connection: what `type: cassandra` is under the resolving provider.

Left alone it has no timeout that holds, uses a node that is back after half a minute, shares its statements
among all instances, and takes a failed read for an absent row. Its tables and bytes stay its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cassandra.cluster import Session
from feast import Entity, FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.contrib.cassandra_online_store.cassandra_online_store import (
    CassandraOnlineStore,
)
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store.acknowledged_writes import write_all
from poc.online_store.bound_rows import FeastRow, by_features, latest_rows
from poc.online_store.connection import ConnectionSettings, connection_settings
from poc.online_store.layout import key_columns, row_layout
from poc.online_store.reading_store import ReadingStore
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import learn_copies, prepare
from poc.online_store.stock_layout import (
    CELL_TIMES,
    batch_insert,
    bound_entity,
    entity_key,
    refuse_wall_clock_cells,
    stock_table,
    write_times,
)
from poc.online_store.stock_reader import StockReader
from poc.online_store.view_reader import JoinKeys


class StockCassandraOnlineStore(ReadingStore[StockReader], CassandraOnlineStore):  # type: ignore[misc]
    """The stock store, with sessions, reads and errors of ours."""

    def __init__(self) -> None:
        super().__init__()
        self._prepared_statements: dict[str, Any] = {}

    def _get_session(self, config: RepoConfig) -> Session:
        """Open our session where Feast's own methods would open theirs."""
        return self.session(config)

    def _opened(self, settings: ConnectionSettings) -> Session:
        session = super()._opened(settings)
        self._keyspace, self._cluster = settings.keyspace, session.cluster
        return session

    def forget(self) -> None:
        """See `ReadingStore.forget`."""
        super().forget()
        self._prepared_statements = {}

    def _new_reader(
        self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None
    ) -> StockReader:
        settings = connection_settings(config)
        layout = row_layout(settings.keyspace, config.project, view)
        return StockReader(
            self.session(config),
            stock_table(settings.keyspace, config.project, view.name),
            view,
            [column.field for column in layout.features] if features is None else features,
            config.entity_key_serialization_version,
            settings,
            self._acsylla,
        )

    def _keys(
        self, config: RepoConfig, view: FeatureView, entity_keys: Sequence[EntityKey]
    ) -> list[JoinKeys | None]:
        keys = super()._keys(config, view, entity_keys)
        for key, given in zip(keys, entity_keys, strict=True):
            if key is None:
                # Of a type that it cannot serialize, Feast's own store says so; of another it finds nothing.
                serialize_entity_key(given, config.entity_key_serialization_version)
        return keys

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write as Feast's own store does, but of several rows of one entity only the latest.

        Where the batch engine writes at event time, so does this (docs/adr/0019).

        Raises, where it does:
            NotAcknowledged: Cassandra did not confirm every row.
            WrittenByAnotherEngine: the table holds values that event times cannot beat.
        """
        session = self.session(config)
        latest = latest_rows(data, lambda row: (row[0].SerializeToString(deterministic=True), *row[1]))
        if getattr(config.batch_engine, "write_time", None) != "event":
            # Its statements are prepared by Feast.
            learn_copies(session, {self._keyspace})
            super().online_write_batch(config, table, list(latest.values()), progress)
            return
        version = config.entity_key_serialization_version
        name = stock_table(self._keyspace, config.project, table.name)
        for features, rows in by_features(latest.values()):
            cql = batch_insert(name, features, timestamped=True)
            writer = self._writers.get(cql)
            if writer is None:
                cells = session.execute(prepare(session, CELL_TIMES.format(table=name)))
                refuse_wall_clock_cells(table.name, name, cells)
                # A row is the write time, and of each feature value, entity key, event time.
                writer = self._new_writer(config, cql, 0, slice(2, 3), write_times(name), features)
            write_all(writer, [bound_entity(row, version) for row in rows])
        if progress is not None:
            progress(len(data))

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

        Raises UnsupportedType: a join key has a type that Feast cannot serialize; nothing is changed then.
        """
        for view in tables_to_keep:
            keys = {column.field: column.kind for column in key_columns(view)}
            entity_key(keys, config.entity_key_serialization_version)
        ensure_keyspace(self.session(config), connection_settings(config))
        super().update(
            config, tables_to_delete, tables_to_keep, entities_to_delete, entities_to_keep, partial
        )
