"""The Feast online store: `type: poc.online_store.row_store.CassandraRowOnlineStore`.

One instance has one session, opened by the first call that needs it, and may be used from many threads.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from feast import Entity, FeatureView, RepoConfig, StreamFeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.core.Registry_pb2 import Registry

from poc.online_store.config import RowStoreSettings
from poc.online_store.connection import connection_settings
from poc.online_store.driver_writer import DriverWriter
from poc.online_store.layout import Column, RowLayout, row_layout
from poc.online_store.reading_store import ReadingStore
from poc.online_store.schema import changes, drop_layout, ensure_keyspace, extend_layout, stored_table
from poc.online_store.session import SCHEMA
from poc.online_store.view_reader import RowReader
from poc.online_store.write import FeastRow, bound_rows, by_features, now_us
from poc.online_store.writer import write_all


class CassandraRowOnlineStoreConfig(RowStoreSettings):
    """Settings under `online_store:`; Feast finds class and store by each other's name, in one module."""

    type: Literal["poc.online_store.row_store.CassandraRowOnlineStore"] = (
        "poc.online_store.row_store.CassandraRowOnlineStore"
    )
    """Selects the store."""


class CassandraRowOnlineStore(ReadingStore[RowReader], OnlineStore):  # type: ignore[misc]
    """One Cassandra row an entity, written in one mutation at its event time."""

    def __init__(self) -> None:
        super().__init__()
        self._writers: dict[str, DriverWriter] = {}

    def _new_reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> RowReader:
        return RowReader(
            self.session(config),
            self._layout(config, view),
            features,
            connection_settings(config),
            config.online_store.read_keys_per_statement,
            self._acsylla,
        )

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows, one mutation an entity; an older event than the stored one changes nothing.

        Raises:
            NotAcknowledged: Cassandra did not confirm every row.
            WrongValueType, ValueOutOfRange, NullJoinKey: a value that cannot be written.
        """
        ttl_seconds = config.online_store.ttl_seconds
        layout = self._layout(config, table)
        for names, rows in by_features(data):
            features = layout.named(names)
            bound = bound_rows(layout, features, rows, ttl_seconds, now_us())
            if bound:
                write_all(self._writer(config, layout, features), bound)
            if progress is not None:
                progress(len(rows))

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Create the keyspace and tables that are missing, drop deleted views' tables.

        Raises:
            TypeChanged, KeyChanged, UnsupportedType: a definition that its table cannot follow; nothing
                has been changed then.
            ReplicationDiffers: the keyspace is there with other copies than the settings state.
        """
        keep = [self._layout(config, view) for view in tables_to_keep]
        drop = [self._layout(config, view) for view in tables_to_delete]
        session = self.session(config)
        ensure_keyspace(session, connection_settings(config))
        statements = []
        for layout, view in zip(keep, tables_to_keep, strict=True):
            comment = f"Feast feature view {view.name} of project {config.project}, one row an entity"
            stored = stored_table(session, layout)
            needed = changes(stored, layout, comment)
            # A column is added by the first write that has a value for it: until then its feature was never
            # written, which is another thing than null.
            statements += needed if stored is None else []
        for statement in statements:
            session.execute(statement, execution_profile=SCHEMA)
        for layout in drop:
            drop_layout(session, layout)
        self.forget()

    def plan(self, config: RepoConfig, desired_registry_proto: Registry) -> list[InfraObject]:
        """Check that every view can be laid out. Connects to nothing; Feast shows no foreign objects.

        Raises:
            UnsupportedType: a field has no column type.
        """
        for proto in desired_registry_proto.feature_views:
            self._layout(config, FeatureView.from_proto(proto))
        for proto in desired_registry_proto.stream_feature_views:
            self._layout(config, StreamFeatureView.from_proto(proto))
        return []

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop the tables of those views. The keyspace stays: others may use it."""
        for view in tables:
            drop_layout(self.session(config), self._layout(config, view))
        self.forget()

    def _layout(self, config: RepoConfig, view: FeatureView) -> RowLayout:
        return row_layout(config.online_store.keyspace, config.project, view)

    def _writer(self, config: RepoConfig, layout: RowLayout, features: Sequence[Column]) -> DriverWriter:
        cql = layout.insert(features, config.online_store.ttl_seconds is not None)
        writer = self._writers.get(cql)
        if writer is None:
            session = self.session(config)
            extend_layout(session, layout)
            # A feature that has its column now is lacking no more.
            self._readers.clear()
            writer = DriverWriter(session, cql, config.online_store.write_concurrency)
            self._writers[cql] = writer
        return writer

    def forget(self) -> None:
        """See `ReadingStore.forget`."""
        super().forget()
        self._writers.clear()
