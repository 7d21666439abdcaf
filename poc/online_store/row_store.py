"""The Feast online store: `type: poc.online_store.row_store.CassandraRowOnlineStore`.

Puts the pieces together behind Feast's OnlineStore interface. One instance has one session, opened by
the first call that needs it, and may be used from many threads.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from cassandra.cluster import Session
from feast import Entity, FeatureView, RepoConfig
from feast.infra.infra_object import InfraObject
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store.config import RowStoreSettings
from poc.online_store.connection import row_store_connection
from poc.online_store.driver_writer import DriverWriter
from poc.online_store.layout import Column, RowLayout, row_layout
from poc.online_store.read import FeatureRow, RowReader
from poc.online_store.schema import apply_layout, changes, drop_layout, ensure_keyspace, stored_table
from poc.online_store.session import open_session
from poc.online_store.write import FeastRow, bound_rows, by_features
from poc.online_store.writer import write_all

_MICROSECOND_NS = 1000
# A bound for callers that ask for ever new selections of features.
_MOST_READERS = 1000


class CassandraRowOnlineStoreConfig(RowStoreSettings):
    """Settings under `online_store:`; Feast finds this class by its name beside the store's."""

    type: Literal["poc.online_store.row_store.CassandraRowOnlineStore"] = (
        "poc.online_store.row_store.CassandraRowOnlineStore"
    )
    """Selects the store."""


class CassandraRowOnlineStore(OnlineStore):  # type: ignore[misc]
    """One Cassandra row an entity, written in one mutation at its event time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._readers: dict[tuple[str, str, tuple[str, ...] | None], RowReader] = {}
        self._writers: dict[str, DriverWriter] = {}

    def session(self, config: RepoConfig) -> Session:
        """Give the store's session, opened when first asked for.

        Raises:
            cassandra.cluster.NoHostAvailable: no node accepts a connection.
        """
        if self._session is None:
            with self._lock:
                if self._session is None:
                    self._session = open_session(row_store_connection(config.online_store, config.repo_path))
        return self._session

    def close(self) -> None:
        """End the session; the next call opens another."""
        with self._lock:
            session, self._session = self._session, None
            self._readers.clear()
            self._writers.clear()
        if session is not None:
            session.cluster.shutdown()

    def reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> RowReader:
        """Give the reader of some features of `view` (of all for None), prepared when first asked for."""
        wanted = None if features is None else tuple(features)
        name = (config.project, view.name, wanted)
        known = self._readers.get(name)
        if known is not None and (known.view is view or _fields(known.view) == _fields(view)):
            return known
        layout = self._layout(config, view)
        if len(self._readers) >= _MOST_READERS:
            self._readers.clear()
        self._readers[name] = RowReader(
            self.session(config),
            view,
            layout,
            wanted,
            in_flight=config.online_store.read_concurrency,
            keys_per_statement=config.online_store.read_keys_per_statement,
        )
        return self._readers[name]

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Read as Feast asks: event time (UTC-aware) and values by name, or (None, None) for an absent row.

        A null is a Value without content; a feature that the view does not have is left out.

        Raises:
            cassandra.DriverException, cassandra.cluster.NoHostAvailable: no answer; never an absent row.
        """
        return self.reader(config, table, requested_features).read(entity_keys)

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Do what `online_read` does, without blocking the event loop once the statement is prepared."""
        return await self.reader(config, table, requested_features).read_async(entity_keys)

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
            now_us = time.time_ns() // _MICROSECOND_NS
            bound = bound_rows(layout, features, rows, ttl_seconds, now_us)
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
        """Create the keyspace and tables that are missing, add new columns, drop deleted views' tables.

        Raises:
            TypeChanged, KeyChanged, UnsupportedType: a definition that its table cannot follow; nothing
                has been changed then.
            ReplicationDiffers: the keyspace is there with other copies than the settings state.
        """
        keep = [self._layout(config, view) for view in tables_to_keep]
        drop = [self._layout(config, view) for view in tables_to_delete]
        session = self.session(config)
        ensure_keyspace(session, config.online_store)
        for layout in keep:
            changes(stored_table(session, layout), layout, comment="")
        for layout, view in zip(keep, tables_to_keep, strict=True):
            apply_layout(session, layout, _comment(config, view))
        for layout in drop:
            drop_layout(session, layout)
        self._forget()

    def plan(self, config: RepoConfig, desired_registry_proto: Registry) -> list[InfraObject]:
        """Check that every view can be laid out. Connects to nothing; Feast shows no foreign objects.

        Raises:
            UnsupportedType: a field has no column type.
        """
        for proto in desired_registry_proto.feature_views:
            self._layout(config, FeatureView.from_proto(proto))
        return []

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop the tables of those views. The keyspace stays: others may use it."""
        for view in tables:
            drop_layout(self.session(config), self._layout(config, view))
        self._forget()

    def _layout(self, config: RepoConfig, view: FeatureView) -> RowLayout:
        return row_layout(config.online_store.keyspace, config.project, view)

    def _writer(self, config: RepoConfig, layout: RowLayout, features: Sequence[Column]) -> DriverWriter:
        cql = layout.insert(features, config.online_store.ttl_seconds is not None)
        writer = self._writers.get(cql)
        if writer is None:
            writer = DriverWriter(self.session(config), cql, config.online_store.write_concurrency)
            self._writers[cql] = writer
        return writer

    def _forget(self) -> None:
        self._readers.clear()
        self._writers.clear()


def _fields(view: FeatureView) -> list[tuple[str, Any]]:
    """List what the columns of `view` follow from; a reading of the registry makes new objects each time."""
    return [(field.name, field.dtype) for field in (*view.entity_columns, *view.features)]


def _comment(config: RepoConfig, view: FeatureView) -> str:
    return f"Feast feature view {view.name} of project {config.project}, one row an entity"
