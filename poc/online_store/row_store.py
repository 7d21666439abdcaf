"""The Feast online store: `type: poc.online_store.row_store.CassandraRowOnlineStore`.

One instance has one session, opened by the first call that needs it, and may be used from many threads.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from cassandra import InvalidRequest
from feast import Entity, FeatureView, RepoConfig, StreamFeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.core.Registry_pb2 import Registry

from poc.online_store.acknowledged_writes import write_all
from poc.online_store.bound_rows import FeastRow, bound_rows, by_features, now_us
from poc.online_store.config import RowStoreSettings
from poc.online_store.connection import connection_settings
from poc.online_store.errors import NotAcknowledged, NotApplied
from poc.online_store.generations import Generations
from poc.online_store.layout import RowLayout, row_layout
from poc.online_store.naming import OWN_COLUMNS
from poc.online_store.reading_store import ReadingStore
from poc.online_store.schema import apply_layout, ensure_keyspace, extend_layout, has_table, stored_table
from poc.online_store.view_reader import RowReader


class CassandraRowOnlineStoreConfig(RowStoreSettings):
    """Settings under `online_store:`; Feast finds class and store by each other's name, in one module."""

    type: Literal["poc.online_store.row_store.CassandraRowOnlineStore"] = (
        "poc.online_store.row_store.CassandraRowOnlineStore"
    )


class CassandraRowOnlineStore(ReadingStore[RowReader], OnlineStore):  # type: ignore[misc]
    """One Cassandra row an entity, written in one mutation at its event time, in the served generation."""

    def generations(self, config: RepoConfig) -> Generations:
        """Return what says which tables are served."""
        return Generations(self.session(config), config.online_store.keyspace, config.project)

    def served(self, config: RepoConfig, view: FeatureView) -> RowLayout:
        """Return the layout of the generation that is served, as other processes may have switched it."""
        standing = self.generations(config).standing(view.name, exactly=False)
        return self.layout(config, view, standing.served)

    def layout(self, config: RepoConfig, view: FeatureView, generation: int) -> RowLayout:
        """Lay out a generation's table of `view`; raises what `row_layout` raises."""
        return row_layout(config.online_store.keyspace, config.project, view, generation)

    def written(self, config: RepoConfig, view: FeatureView) -> list[int]:
        """List the generations that take a write now: one that is being filled, and that which is served.

        A run that fills one writes to that alone.
        """
        own = config.online_store._filling.get(view.name)
        if own is not None:
            return [own]
        standing = self.generations(config).standing(view.name)
        if standing.owner is not None and standing.filling is not None:
            layout = self.layout(config, view, standing.filling)
            # What is claimed is not begun before it has its table: its run may have died.
            if has_table(self.session(config), layout.keyspace, layout.table):
                return [standing.filling, standing.served]
        return [standing.served]

    def _new_reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> RowReader:
        return RowReader(
            self.session(config),
            self.served(config, view),
            features,
            connection_settings(config),
            config.online_store.read_keys_per_statement,
            self._acsylla,
            as_stored=True,
        )

    def _is_outdated(self, config: RepoConfig, view: FeatureView, reader: RowReader) -> bool:
        # A feature without a column gets one when it is first written, by whichever process.
        return bool(reader.lacking) or reader.table != self.served(config, view).qualified

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows, one mutation an entity; an older event than the stored one changes nothing.

        Where a generation is begun meanwhile, it gets them too: what is pushed is never lost by a switch.

        Raises:
            NotAcknowledged: Cassandra did not confirm every row.
            WrongValueType, ValueOutOfRange, NullJoinKey: a value that cannot be written.
            TypeChanged, KeyChanged: the table was made for other definitions.
        """
        done: set[int] = set()
        while remaining := [number for number in self.written(config, table) if number not in done]:
            for number in remaining:
                try:
                    self._write(config, self.layout(config, table, number), data)
                except (NotApplied, NotAcknowledged, InvalidRequest):
                    # One that was given up while we wrote has no table any more.
                    if number in self.written(config, table):
                        raise
                done.add(number)
        if progress is not None:
            progress(len(data))

    def _write(self, config: RepoConfig, layout: RowLayout, data: list[FeastRow]) -> None:
        ttl_seconds = config.online_store.ttl_seconds
        for names, rows in by_features(data):
            features = layout.named(names)
            bound = bound_rows(layout, features, rows, ttl_seconds, now_us())
            if not bound:
                continue
            cql, width = layout.insert(features, ttl_seconds is not None), len(layout.keys)
            writer = self._writers.get(cql)
            if writer is None:
                extend_layout(self.session(config), layout)
                # A feature that has its column now is lacking no more.
                self._readers.clear()
                # Where `insert` binds the write time.
                at, times = width + len(features) + len(OWN_COLUMNS), layout.select_write_time()
                writer = self._new_writer(config, cql, at, slice(width), times, None)
            write_all(writer, bound)

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

        A table that was made for another type or key stays, and is served, until a full run has filled the
        next generation.

        Raises:
            UnsupportedType: a definition that no table can hold; nothing has been changed then.
            ReplicationDiffers: the keyspace is there with other copies than the settings state.
        """
        for view in (*tables_to_keep, *tables_to_delete):
            self.layout(config, view, 0)
        session = self.session(config)
        ensure_keyspace(session, connection_settings(config))
        generations = self.generations(config)
        generations.create()
        for view in tables_to_keep:
            layout = self.served(config, view)
            # A column is added by the first write that has a value for it: until then its feature was never
            # written, which is another thing than null.
            if stored_table(session, layout) is None:
                apply_layout(session, layout)
        for view in tables_to_delete:
            generations.forget(view.name)
        self.forget()

    def plan(self, config: RepoConfig, desired_registry_proto: Registry) -> list[InfraObject]:
        """Check that every view can be laid out, or raise UnsupportedType; Feast shows no foreign objects."""
        for proto in desired_registry_proto.feature_views:
            self.layout(config, FeatureView.from_proto(proto), 0)
        for proto in desired_registry_proto.stream_feature_views:
            self.layout(config, StreamFeatureView.from_proto(proto), 0)
        return []

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop the tables of those views. The keyspace stays: others may use it."""
        for view in tables:
            self.generations(config).forget(view.name)
        self.forget()
