"""A repository of one view over cards, whose values tell which load they came with, on a test's Cassandra."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from own_sessions import apply_definitions

from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.plan import RunOptions
from poc.materialization.run import ViewReport, run_materialization
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session
from poc.quality.consistency import check_consistency
from poc.settings import Settings

ROWS = "poc.online_store.row_store.CassandraRowOnlineStore"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
FEATURES = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Float64, Int64, String
card = Entity(name="card", join_keys=["{key_name}"], value_type=ValueType.{key})
source = FileSource(path={path!r}, timestamp_field="at")
view = FeatureView(name="cards", entities=[card], ttl=timedelta(days=30), source=PushSource(
    name="pushed", batch_source=source), schema=[Field(name="{key_name}", dtype={dtype}), {fields}])
fraud_detection_v1 = FeatureService(name="fraud_detection_v1", features=[view])
"""
TWO = 'Field(name="a", dtype=Int64), Field(name="b", dtype=Int64)'
CARDS = 400


class Cards:
    """A repository of one view over cards, whose values tell which load they came with."""

    def __init__(self, folder: Path, cassandra: ConnectionSettings, keyspace: str, session: Session) -> None:
        self.folder, self.session, self.path = folder / "repo", session, folder / "cards.parquet"
        self.folder.mkdir()
        self.keyspace, self.cassandra = keyspace, cassandra
        self.settings = Settings(
            _env_file=None,
            feast_repo_path=self.folder,
            data_dir=folder,
            direct_keyspace=f"{keyspace}",
            registry_refresh_seconds=0.2,
        )

    def declare(
        self,
        layout: str = ROWS,
        fields: str = TWO,
        key: str = "Int64",
        key_name: str = "card_id",
        apply: bool = True,
        **online: Any,
    ) -> None:
        """Write the repository, and apply it; `online` is what online_store states beside the place."""
        text = FEATURES.format(
            path=str(self.path), fields=fields, dtype=key, key=key.upper(), key_name=key_name
        )
        (self.folder / "features.py").write_text(text)
        config: dict[str, Any] = {
            "project": "cards_project",
            "registry": {"path": str(self.folder / "registry.db"), "cache_ttl_seconds": 1},
            "provider": "poc.online_store.provider.ResolvingProvider",
            "online_store": {
                "type": layout,
                "hosts": list(self.cassandra.hosts),
                "port": self.cassandra.port,
                "keyspace": self.keyspace,
                **online,
            },
            "batch_engine": {"type": "poc.online_store.arrow_engine.ArrowMaterializationEngine"},
            "offline_store": {"type": "file"},
            "entity_key_serialization_version": 2,
        }
        (self.folder / "feature_store.yaml").write_text(yaml.safe_dump(config))
        if apply:
            apply_definitions(self.settings)

    def load(
        self,
        number: float,
        cards: int = CARDS,
        age: timedelta = DAY,
        text: bool = False,
        key_name: str = "card_id",
    ) -> None:
        """Write a source whose every value is `number`, and put it in the place of the one before."""
        ids = [str(card) if text else card for card in range(cards)]
        at = pa.array([NOW - age] * cards, pa.timestamp("us", tz="UTC"))
        table = pa.table({key_name: ids, "a": [number] * cards, "b": [number] * cards, "at": at})
        new = self.path.with_suffix(".new")
        pq.write_table(table, new)
        new.replace(self.path)

    def materialize(self, **options: Any) -> ViewReport:
        store = open_feature_store(self.settings)
        try:
            [report] = run_materialization(
                self.settings, store, self.session, RunOptions(**options), lambda *_: None
            )
            return report
        finally:
            close_feature_store(store)

    def served(self, *cards: Any) -> list[tuple[Any, Any]]:
        store = open_feature_store(self.settings)
        try:
            rows = [{"card_id": card} for card in cards]
            answer = store.get_online_features(["cards:a", "cards:b"], rows).to_dict()
            return list(zip(answer["a"], answer["b"], strict=True))
        finally:
            close_feature_store(store)

    def push(self, number: Any, *cards: Any) -> None:
        store = open_feature_store(self.settings)
        try:
            at, count = datetime.now(timezone.utc), len(cards)
            values = {"a": [number] * count, "b": [number] * count, "at": [at] * count}
            store.push("pushed", pd.DataFrame({"card_id": list(cards), **values}))
        finally:
            close_feature_store(store)

    def require_equal(self) -> None:
        """Hold both stores to the source, row by row, and to having no other row."""
        store = open_feature_store(self.settings)
        try:
            [view] = check_consistency(self.settings, store, self.session, lambda count: None)
        finally:
            close_feature_store(store)
        assert view.holds
        assert not view.offline_changed
        assert [check.others for check in view.stores] == [0, 0]

    @property
    def environment(self) -> dict[str, str]:
        """What leads the scripts here."""
        return {
            "FEAST_REPO_PATH": str(self.folder),
            "DATA_DIR": str(self.folder.parent),
            "DIRECT_KEYSPACE": self.keyspace,
        }

    def tables(self) -> set[str]:
        found = self.session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (self.keyspace,)
        )
        names = {row.table_name for row in found}
        return {name for name in names if name.startswith("cards_project__cards")}
