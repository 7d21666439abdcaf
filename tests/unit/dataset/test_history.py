import random
import tracemalloc
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String

from poc.dataset.history import known_then, microseconds
from poc.definitions import Feature, FeatureSet, JoinKey
from poc.errors import ColumnsMissing

START = datetime(2024, 5, 6, tzinfo=timezone.utc)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TIME = pa.timestamp("us", "UTC")
KEYS = (JoinKey("shop", String), JoinKey("card", Int64))
FEATURES = (Feature("mean", Float64, "", {}), Feature("payments", Int64, "", {}))


def definitions_of(path: Path, ttl: timedelta | None = None) -> FeatureSet:
    return FeatureSet("stats", KEYS, FEATURES, ttl, path, "at", "created", {"card": "CARD"})


def feasts_answer(folder: Path, definitions: FeatureSet, asked: pd.DataFrame) -> pd.DataFrame:
    config = RepoConfig(
        project="poc",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "file"},
        entity_key_serialization_version=2,
    )
    store = FeatureStore(config=config)
    kinds = {"shop": ValueType.STRING, "card": ValueType.INT64}
    entities = [Entity(name=f"{key}_of", join_keys=[key], value_type=kind) for key, kind in kinds.items()]
    fields = [Field(name=item.name, dtype=item.dtype) for item in (*KEYS, *FEATURES)]
    source = FileSource(
        path=str(definitions.source_path),
        timestamp_field="at",
        created_timestamp_column="created",
        field_mapping={"CARD": "card"},
    )
    ttl = timedelta(0) if definitions.ttl is None else definitions.ttl
    store.apply(
        [*entities, FeatureView(name="stats", entities=entities, schema=fields, source=source, ttl=ttl)]
    )
    names = [f"stats:{feature.name}" for feature in FEATURES]
    return store.get_historical_features(entity_df=asked, features=names).to_df()


@pytest.mark.parametrize("ttl", [None, 2 * HOUR])
def test_without_late_corrections_the_answer_is_feasts(tmp_path: Path, ttl: timedelta | None) -> None:
    made = random.Random(5)

    def entity() -> tuple[str, int]:
        return made.choice("ab"), 2**53 + made.randrange(5)

    rows = [(*entity(), START + made.randrange(60) * HOUR / 4, None) for _ in range(300)]
    # Feast's sort by event time is not stable: what it takes of equal times is left to chance.
    rows = list({row[:3]: row for row in rows}.values())
    table = pd.DataFrame(rows, columns=["shop", "CARD", "at", "mean"])
    table["mean"] = [None if made.random() < 0.2 else made.random() for _ in rows]
    table["payments"] = range(len(rows))
    table["created"] = table["at"]
    definitions = definitions_of(tmp_path / "rows.parquet", ttl)
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), definitions.source_path)
    moments = [(*entity(), START + made.randrange(70) * HOUR / 4) for _ in range(200)]
    asked = pd.DataFrame(sorted(set(moments)), columns=["shop", "card", "event_timestamp"])

    keys = pa.Table.from_pandas(asked, preserve_index=False)
    times = microseconds(keys.column("event_timestamp"))
    found = asked.join(
        known_then(
            definitions, ["mean", "payments"], [keys.column("shop"), keys.column("card")], times, times
        ).to_pandas()
    )
    expected = feasts_answer(tmp_path, definitions, asked)
    index = ["shop", "card", "event_timestamp"]
    both = expected.set_index(index)[["mean", "payments"]], found.set_index(index)
    pd.testing.assert_frame_equal(
        both[0].sort_index(), both[1].loc[both[0].index].sort_index(), check_dtype=False
    )
    # Feast leaves out who has rows but none that counts.
    assert both[1].drop(both[0].index).isna().all(axis=None)
    assert both[1]["payments"].notna().sum() > 50


def one_entity(path: Path, rows: int, delay: timedelta) -> tuple[FeatureSet, list[pa.ChunkedArray]]:
    at = np.datetime64("2024-05-06", "us") + np.arange(rows) * np.timedelta64(1, "s")
    columns = {"shop": ["a"] * rows, "CARD": [1] * rows, "mean": [0.5] * rows, "payments": range(rows)}
    columns |= {"at": at, "created": at + np.timedelta64(delay)}
    pq.write_table(pa.table(columns), path)
    return definitions_of(path), [pa.chunked_array([["a"] * rows]), pa.chunked_array([[1] * rows])]


@pytest.mark.parametrize("late", [0, 70_000])
def test_memory_and_time_are_linear_in_the_rows_of_one_entity(tmp_path: Path, late: int) -> None:
    rows = 100_000
    definitions, keys = one_entity(tmp_path / "rows.parquet", rows, timedelta(seconds=late))
    times = microseconds(pq.read_table(definitions.source_path).column("at"))
    tracemalloc.start()
    found = known_then(definitions, ["payments"], keys, times, times).column("payments").to_pylist()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [place - late if place >= late else None for place in range(rows)]
    assert peak < 100 * 2**20


def test_entity_without_rows_has_nulls(tmp_path: Path) -> None:
    definitions, _ = one_entity(tmp_path / "rows.parquet", 3, timedelta(0))
    times = microseconds(pa.chunked_array([pa.array([START + DAY] * 2, TIME)]))
    keys = [pa.chunked_array([["a", "b"]]), pa.chunked_array([[1, 1]])]
    assert known_then(definitions, ["payments"], keys, times, times).to_pylist() == [
        {"payments": 2},
        {"payments": None},
    ]


def test_source_without_a_wanted_column_is_told(tmp_path: Path) -> None:
    definitions, keys = one_entity(tmp_path / "rows.parquet", 3, timedelta(0))
    pq.write_table(pq.read_table(definitions.source_path).drop_columns("created"), definitions.source_path)
    with pytest.raises(ColumnsMissing, match="created"):
        known_then(definitions, ["payments"], keys, np.zeros(3, np.int64), np.zeros(3, np.int64))
