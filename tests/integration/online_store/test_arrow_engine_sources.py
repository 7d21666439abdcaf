"""What the Arrow engine reads, and where else it can write."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cassandra.cluster import Session
from feast import FeatureStore, RepoConfig
from feast.types import Float64, Int64, String
from pydantic import ValidationError

from poc.online_store.errors import DriverMissing, MissingColumns, NullJoinKey

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def table(ids: list[str | None], values: list[int | None], hours: list[int]) -> pa.Table:
    times = [NOON + timedelta(hours=hour) for hour in hours]
    return pa.table({"id": ids, "a": values, "event_timestamp": times})


def served(store: FeatureStore, *ids: str) -> list[Any]:
    answer = store.get_online_features(["stats:a"], [{"id": id} for id in ids])
    return list(answer.to_dict()["a"])


def materialize(store: FeatureStore) -> None:
    store.materialize(NOON - DAY, NOON + DAY)


def test_relative_path_is_found_from_the_working_directory(
    stores: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(table(["x"], [1], [0]), tmp_path / "data" / "x.parquet")
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String}, path="data/x.parquet")
    monkeypatch.chdir(tmp_path)
    materialize(store)
    assert served(store, "x") == [1]


def test_missing_source_is_an_error(stores: Any) -> None:
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String}, path="data/none.parquet")
    with pytest.raises(FileNotFoundError):
        materialize(store)


def test_partitioned_folder_is_read(stores: Any, tmp_path: Path) -> None:
    data = table(["x", "y", "x"], [1, 2, 3], [0, 0, 1]).append_column("day", pa.array(["1", "1", "2"]))
    pq.write_to_dataset(data, tmp_path / "parts", partition_cols=["day"])
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String}, path=str(tmp_path / "parts"))
    materialize(store)
    assert served(store, "x", "y") == [3, 2]


def test_source_that_only_the_offline_store_can_read_is_read_by_it(stores: Any, tmp_path: Path) -> None:
    """A pattern of files is no path that exists: Feast's file store knows what to do with it."""
    for number in range(2):
        pq.write_table(table([f"id{number}"], [number], [0]), tmp_path / f"part-{number}.parquet")
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String}, path=str(tmp_path / "part-*.parquet"))
    materialize(store)
    assert served(store, "id0", "id1") == [0, 1]


def test_empty_window_is_materialized_and_recorded(stores: Any) -> None:
    stores.write_source(table(["x"], [1], [0]))
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String})
    store.materialize(NOON + DAY, NOON + 2 * DAY)
    assert served(store, "x") == [None]
    assert store.get_feature_view("stats").most_recent_end_time == NOON + 2 * DAY


def test_row_without_a_join_key_fails_the_materialization(stores: Any) -> None:
    stores.write_source(table(["x", None], [1, 2], [0, 0]))
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String})
    with pytest.raises(NullJoinKey, match="'id'"):
        materialize(store)


def test_source_without_a_declared_column_is_named(stores: Any) -> None:
    stores.write_source(table(["x"], [1], [0]))
    store = stores.open(engine={})
    stores.view(store, {"a": Int64, "missing": Float64}, {"id": String})
    with pytest.raises(MissingColumns, match="missing"):
        materialize(store)


def test_more_entities_than_a_batch_are_all_written(stores: Any, session: Session) -> None:
    ids = [f"id{number}" for number in range(1001)]
    stores.write_source(table(ids, list(range(1001)), [0] * 1001))
    store = stores.open(engine={"batch_rows": 100})
    stores.view(store, {"a": Int64}, {"id": String})
    materialize(store)
    counted = session.execute(f'SELECT COUNT(*), SUM(a) FROM {stores.keyspace}."poc__stats"')
    [(rows, total)] = counted.all()
    assert (rows, total) == (1001, sum(range(1001)))


@pytest.mark.parametrize("driver", ["acsylla", "cassandra-driver"])
def test_rows_past_the_stores_ttl_are_left_out_and_the_others_expire(
    stores: Any, session: Session, driver: str
) -> None:
    now = datetime.now(timezone.utc)
    ages = {"new": 10, "old": 5000}
    times = [now - timedelta(seconds=age) for age in ages.values()]
    stores.write_source(pa.table({"id": list(ages), "a": [1, 2], "event_timestamp": times}))
    store = stores.open(engine={"driver": driver}, ttl_seconds=1000)
    stores.view(store, {"a": Int64}, {"id": String})
    store.materialize(now - DAY, now)
    [(id, ttl)] = session.execute(f'SELECT id, TTL(a) FROM {stores.keyspace}."poc__stats"').all()
    assert id == "new"
    assert 970 <= ttl <= 990


def test_any_other_online_store_is_filled_through_its_own_writes(tmp_path: Path) -> None:
    from feast import Entity, FeatureView, Field, FileSource, ValueType

    pq.write_table(table(["x", "y", "x"], [1, None, 3], [0, 0, 1]), tmp_path / "x.parquet")
    config = RepoConfig(
        project="poc",
        provider="local",
        registry=str(tmp_path / "registry.db"),
        entity_key_serialization_version=2,
        online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
        batch_engine={"type": "poc.online_store.arrow_engine.ArrowMaterializationEngine"},
    )
    store = FeatureStore(config=config)
    entity = Entity(name="one", join_keys=["id"], value_type=ValueType.STRING)
    schema = [Field(name="id", dtype=String), Field(name="a", dtype=Int64)]
    source = FileSource(path=str(tmp_path / "x.parquet"), timestamp_field="event_timestamp")
    store.apply([entity, FeatureView(name="stats", entities=[entity], schema=schema, source=source)])
    materialize(store)
    assert served(store, "x", "y", "z") == [3, None, None]


def test_incremental_materialization_goes_on_where_the_last_one_ended(stores: Any) -> None:
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String}, ttl=timedelta(days=10_000))
    frame = pd.DataFrame({"id": ["x"], "a": [1], "event_timestamp": [NOON]})
    frame.to_parquet(stores.source())
    store.materialize_incremental(NOON + timedelta(hours=1))
    frame.assign(a=[2], event_timestamp=[NOON + timedelta(hours=2)]).to_parquet(stores.source())
    store.materialize_incremental(NOON + timedelta(hours=3))
    assert served(store, "x") == [2]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"drvier": "auto"}, "drvier"),
        ({"driver": "java"}, "driver"),
        ({"batch_rows": 0}, "batch_rows"),
    ],
)
def test_wrong_setting_is_refused_on_apply_by_its_key(
    stores: Any, settings: dict[str, Any], named: str
) -> None:
    store = stores.open(engine=settings)
    with pytest.raises(ValidationError, match=named):
        stores.view(store, {"a": Int64}, {"id": String})


def test_without_acsylla_the_other_driver_writes_and_asking_for_it_is_an_error(
    stores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poc.online_store.acsylla_reads.acsylla_is_installed", lambda: False)
    stores.write_source(table(["x"], [1], [0]))
    store = stores.open(engine={})
    stores.view(store, {"a": Int64}, {"id": String})
    materialize(store)
    assert served(store, "x") == [1]
    asking = stores.open(engine={"driver": "acsylla"})
    stores.view(asking, {"a": Int64}, {"id": String})
    with pytest.raises(DriverMissing, match="pip install acsylla"):
        materialize(asking)
