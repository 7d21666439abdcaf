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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def feasts_answer(folder: Path, views: list[FeatureSet], asked: pd.DataFrame) -> pd.DataFrame:
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
    entities = {
        key: Entity(name=f"{key}_of", join_keys=[key], value_type=kind) for key, kind in kinds.items()
    }
    store.apply([*entities.values(), *(feasts_view(view, entities) for view in views)])
    names = [f"{view.view}:{name}" for view in views for name in view.names]
    return store.get_historical_features(entity_df=asked, features=names).to_df()


def feasts_view(view: FeatureSet, entities: dict[str, Entity]) -> FeatureView:
    source = FileSource(
        name=f"{view.view} source",
        path=str(view.source_path),
        timestamp_field="at",
        created_timestamp_column="created",
        field_mapping={"CARD": "card"},
    )
    fields = [Field(name=item.name, dtype=item.dtype) for item in (*view.join_keys, *view.features)]
    keys = [entities[name] for name in view.key_names]
    ttl = timedelta(0) if view.ttl is None else view.ttl
    return FeatureView(name=view.view, entities=keys, schema=fields, source=source, ttl=ttl)


def drawn_rows(made: random.Random, count: int, path: Path) -> None:
    rows = [(made.choice("ab"), 2**53 + made.randrange(5), made.randrange(60)) for _ in range(count)]
    # Feast's sort by event time is not stable: what it takes of equal times of a shop is left to chance.
    distinct = {(row[0], row[2]): row for row in rows}
    table = pd.DataFrame(list(distinct.values()), columns=["shop", "CARD", "at"])
    table["at"] = START + table["at"] * HOUR / 4
    table["mean"] = [None if made.random() < 0.2 else made.random() for _ in range(len(table))]
    table["payments"] = range(len(table))
    table["volume"] = table["payments"] * 2.0
    table["created"] = table["at"]
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)


ttls = st.none() | st.integers(1, 20).map(lambda quarters: quarters * HOUR / 4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 300), ttl=ttls, other_ttl=ttls)
def test_without_late_corrections_the_answer_is_feasts_of_each_of_several_views(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    rows: int,
    ttl: timedelta | None,
    other_ttl: timedelta | None,
) -> None:
    folder, made = tmp_path_factory.mktemp("feast"), random.Random(seed)
    path = folder / "rows.parquet"
    drawn_rows(made, rows, path)
    shops = FeatureSet(
        "shops", KEYS[:1], (Feature("volume", Float64, "", {}),), other_ttl, path, "at", "created"
    )
    views = [definitions_of(path, ttl), shops]
    moments = {
        (made.choice("ab"), 2**53 + made.randrange(5), START + made.randrange(70) * HOUR / 4)
        for _ in range(100)
    }
    asked = pd.DataFrame(sorted(moments), columns=["shop", "card", "event_timestamp"])

    keys = pa.Table.from_pandas(asked, preserve_index=False)
    times = microseconds(keys.column("event_timestamp"))
    known = [
        known_then(view, view.names, list(map(keys.column, view.key_names)), times, times).to_pandas()
        for view in views
    ]
    index = ["shop", "card", "event_timestamp"]
    found = asked.join(known).set_index(index)
    expected = feasts_answer(folder, views, asked).set_index(index)[found.columns].sort_index()
    pd.testing.assert_frame_equal(expected, found.loc[expected.index], check_dtype=False)
    # Feast leaves out who has rows of a view but none that counts.
    left_out = found.drop(expected.index)
    assert (left_out[["mean", "payments"]].isna().all(axis=1) | left_out["volume"].isna()).all()


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
