from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import FeastType

from poc.online_store.connection import ConnectionSettings

ROW_STORE = "poc.online_store.row_store.CassandraRowOnlineStore"
RESOLVING = "poc.online_store.provider.ResolvingProvider"
ARROW_ENGINE = "poc.online_store.arrow_engine.ArrowMaterializationEngine"
NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)


@dataclass
class Stores:
    """Opens Feast feature stores on the test's keyspace, makes views for them, and closes them."""

    cassandra: ConnectionSettings
    keyspace: str
    folder: Path
    opened: list[FeatureStore] = field(default_factory=list)

    def open(
        self,
        layout: str = "rows",
        project: str = "poc",
        engine: Mapping[str, Any] | None = None,
        **online: Any,
    ) -> FeatureStore:
        """Open a store on the `rows` or `stock` layout, with the Arrow engine's settings or Feast's own."""
        settings = {
            "type": ROW_STORE if layout == "rows" else "cassandra",
            "hosts": list(self.cassandra.hosts),
            "port": self.cassandra.port,
            "keyspace": self.keyspace,
        }
        more = {} if engine is None else {"batch_engine": {"type": ARROW_ENGINE} | dict(engine)}
        registry = self.folder / f"{project}-{layout}-{len(self.opened)}.db"
        config = RepoConfig(
            project=project,
            provider=RESOLVING,
            registry=str(registry),
            offline_store={"type": "file"},
            entity_key_serialization_version=2,
            online_store=settings | online,
            **more,
        )
        store = FeatureStore(config=config)
        self.opened.append(store)
        return store

    def view(
        self,
        store: FeatureStore,
        features: Mapping[str, FeastType],
        keys: Mapping[str, FeastType],
        name: str = "stats",
        ttl: timedelta = timedelta(0),
        **source: Any,
    ) -> FeatureView:
        """Apply a view whose source is the Parquet that `write_source` wrote for its name."""
        entities = [
            Entity(name=f"{key}_of", join_keys=[key], value_type=ValueType[dtype.to_value_type().name])
            for key, dtype in keys.items()
        ]
        view = FeatureView(
            name=name,
            entities=entities,
            ttl=ttl,
            schema=[Field(name=column, dtype=dtype) for column, dtype in {**keys, **features}.items()],
            source=FileSource(
                **({"path": str(self.source(name)), "timestamp_field": "event_timestamp"} | source)
            ),
        )
        store.apply([*entities, view])
        return store.get_feature_view(name)

    def source(self, name: str = "stats") -> Path:
        """Where the Parquet of a view lies."""
        return self.folder / f"{name}.parquet"

    def write_source(self, table: pa.Table, name: str = "stats") -> None:
        """Write a view's source."""
        pq.write_table(table, self.source(name))

    def close(self) -> None:
        for store in self.opened:
            online = store._get_provider()._online_store
            if online is None:
                continue
            online.close()


@pytest.fixture
def stores(cassandra: ConnectionSettings, keyspace: str, tmp_path: Path) -> Iterator[Stores]:
    opened = Stores(cassandra, keyspace, tmp_path)
    yield opened
    opened.close()


class Rows:
    """Writes and reads rows of one view as Feast's provider does."""

    def __init__(self, store: FeatureStore, view: FeatureView) -> None:
        self.store, self.view = store, view
        self.online = store._get_provider().online_store

    def key(self, **values: Value) -> EntityKey:
        return EntityKey(join_keys=list(values), entity_values=list(values.values()))

    def write(self, key: EntityKey, values: Mapping[str, Value], event: datetime = NOON) -> None:
        self.online.online_write_batch(self.store.config, self.view, [(key, dict(values), event, None)], None)

    def read(
        self, *keys: EntityKey, features: list[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        return self.online.online_read(self.store.config, self.view, list(keys), features)


@pytest.fixture
def rows_of() -> type[Rows]:
    return Rows
