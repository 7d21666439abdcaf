"""The lake on a real Spark: it writes what the Arrow engine writes, its join is the file store's."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml
from cassandra.cluster import Session
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp
from quick_java import quick_java

from poc.definitions import ServedFeatures
from poc.feature_store import close_feature_store
from poc.lake.errors import ExecutorsFailed
from poc.measurement.place import open_place
from poc.measurement.spark import check_spark
from poc.online_store.connection import ConnectionSettings
from poc.online_store.generations import online_tables
from poc.settings import Settings

# SPARK_ROWS=1000000 takes some six minutes.
MANY_ROWS = int(os.environ.get("SPARK_ROWS", "30000"))
ROW_STORE = "poc.online_store.row_store.CassandraRowOnlineStore"
NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
LONG_AGO = datetime(1960, 1, 1, tzinfo=timezone.utc)
DAY, HOUR, MICROSECOND = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
MOMENT = pa.timestamp("us", "UTC")
ARROW = {"type": "poc.online_store.arrow_engine.ArrowMaterializationEngine"}
SPARK = {"type": "poc.lake.engine.SparkLakeMaterializationEngine"}
FEATURES: Mapping[str, tuple[FeastType, pa.DataType, list[Any]]] = {
    "bytes": (Bytes, pa.binary(), [b"\x00\xff", b"", None]),
    "string": (String, pa.string(), ["é", "", None]),
    "int32": (Int32, pa.int32(), [-(2**31), 0, None]),
    "int64": (Int64, pa.int64(), [2**63 - 1, 2**53 + 1, None]),
    "float64": (Float64, pa.float64(), [1.1, float("inf"), None]),
    "float64_nan": (Float64, pa.float64(), [float("nan"), -0.0, 1e-300]),
    "float32": (Float32, pa.float32(), [1.5, -0.0, None]),
    "bool": (Bool, pa.bool_(), [True, False, None]),
    "time": (UnixTimestamp, MOMENT, [NOON, datetime(1950, 1, 1, tzinfo=timezone.utc), None]),
    "string_list": (Array(String), pa.list_(pa.string()), [["a", ""], [], None]),
    "int64_list": (Array(Int64), pa.list_(pa.int64()), [[2**62], [], None]),
    "float64_list": (Array(Float64), pa.list_(pa.float64()), [[1.1, float("nan")], [], None]),
    "bool_list": (Array(Bool), pa.list_(pa.bool_()), [[True, False], [], None]),
    "number_of_float": (Int64, pa.float64(), [1.0, -2.0, 3.0]),
}


@pytest.fixture(scope="module")
def spark_conf(root: Path) -> Iterator[dict[str, str]]:
    """The configuration of spark.yaml on two cores; the Spark that the tests start with it ends with them."""
    content = yaml.safe_load((root / "feature_repo/stores/spark.yaml").read_text())
    before = dict(os.environ)
    # 200 parts of a shuffle, Spark's default, are for more than two cores.
    small = {"spark.master": "local[2]", "spark.sql.shuffle.partitions": "4", "spark.ui.enabled": "false"}
    with quick_java():
        yield content["offline_store"]["spark_conf"] | small
    from pyspark import SparkContext

    active = SparkContext._active_spark_context
    if active is not None:
        gateway = active._gateway
        active.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=60)
        SparkContext._gateway = SparkContext._jvm = None
    os.environ.clear()
    os.environ.update(before)


@dataclass
class Stores:
    """Opens feature stores on the test's keyspace, and applies views over its Parquet."""

    cassandra: ConnectionSettings
    keyspace: str
    folder: Path
    spark_conf: Mapping[str, str]
    opened: list[FeatureStore] = field(default_factory=list)

    def open(
        self, project: str, engine: Mapping[str, Any], layout: str = "rows", **lake: str
    ) -> FeatureStore:
        offline = {"type": "file"}
        if engine["type"] == SPARK["type"]:
            offline = {"type": "poc.lake.offline_store.SparkLakeOfflineStore", **lake}
            offline["spark_conf"] = dict(self.spark_conf)
        rows = "poc.online_store.row_store.CassandraRowOnlineStore"
        config = RepoConfig(
            project=project,
            provider="poc.online_store.provider.ResolvingProvider",
            registry=str(self.folder / f"{project}.db"),
            entity_key_serialization_version=2,
            offline_store=offline,
            online_store={
                "type": rows if layout == "rows" else "cassandra",
                "hosts": list(self.cassandra.hosts),
                "port": self.cassandra.port,
                "keyspace": self.keyspace,
            },
            batch_engine=dict(engine),
        )
        self.opened.append(FeatureStore(config=config))
        return self.opened[-1]

    def apply(
        self,
        store: FeatureStore,
        features: Mapping[str, FeastType],
        keys: Mapping[str, FeastType],
        path: str | None = None,
        ttl: timedelta = timedelta(0),
        **source: Any,
    ) -> FeatureStore:
        entities = [
            Entity(name=f"{key}_of", join_keys=[key], value_type=ValueType[dtype.to_value_type().name])
            for key, dtype in keys.items()
        ]
        view = FeatureView(
            name="stats",
            entities=entities,
            ttl=ttl,
            schema=[Field(name=name, dtype=dtype) for name, dtype in {**keys, **features}.items()],
            source=FileSource(
                name="stats_source",
                path=str(self.folder / "stats.parquet") if path is None else path,
                timestamp_field=source.pop("timestamp_field", "event_timestamp"),
                **source,
            ),
        )
        store.apply([*entities, view])
        return store

    def write(self, table: pa.Table) -> None:
        pq.write_table(table, self.folder / "stats.parquet")

    def close(self) -> None:
        for store in self.opened:
            close_feature_store(store)


@pytest.fixture
def stores(
    cassandra: ConnectionSettings, keyspace: str, tmp_path: Path, spark_conf: dict[str, str]
) -> Iterator[Stores]:
    opened = Stores(cassandra, keyspace, tmp_path, spark_conf)
    yield opened
    opened.close()


def written(session: Session, keyspace: str, project: str, feature: str) -> list[str]:
    """Every row of the view's table with a feature's write time, as text: a NaN does not equal itself."""
    rows = session.execute(f'SELECT * FROM {keyspace}."{project}__stats"').all()
    times = session.execute(f'SELECT writetime({feature}) AS at FROM {keyspace}."{project}__stats"').all()
    return sorted(repr((tuple(row), time.at)) for row, time in zip(rows, times, strict=True))


def test_every_type_is_written_as_by_the_arrow_engine(stores: Stores, session: Session) -> None:
    columns = {name: pa.array(values, kind) for name, (_, kind, values) in FEATURES.items()}
    keys = {"id": ["a", "", "ü"], "place": pa.array([1, -1, 2**31 - 1], pa.int64())}
    times = [NOON, NOON - timedelta(milliseconds=1), datetime(1965, 1, 1, tzinfo=timezone.utc)]
    stores.write(pa.table({**keys, **columns, "event_timestamp": pa.array(times, MOMENT)}))
    features = {name: dtype for name, (dtype, _, _) in FEATURES.items()}
    for project, engine in {"arrow": ARROW, "spark": SPARK}.items():
        store = stores.apply(stores.open(project, engine), features, {"id": String, "place": Int64})
        store.materialize(LONG_AGO, NOON + HOUR)
    rows = written(session, stores.keyspace, "spark", "float64_nan")
    assert len(rows) == 3
    assert rows == written(session, stores.keyspace, "arrow", "float64_nan")


def test_stock_layout_is_byte_for_byte_the_arrow_engines(stores: Stores, session: Session) -> None:
    stores.write(pa.table({"id": ["a", "b"], "n": [2**60 + 1, None], "event_timestamp": [NOON, NOON]}))
    cells = []
    for project, engine in {"arrow": ARROW, "spark": SPARK}.items():
        store = stores.apply(stores.open(project, engine, "stock"), {"n": Int64}, {"id": String})
        store.materialize(NOON, NOON + DAY)
        rows = session.execute(
            f"SELECT entity_key, feature_name, value, event_ts FROM {stores.keyspace}.{project}_stats"
        )
        cells.append(sorted(tuple(row) for row in rows.all()))
    assert len(cells[0]) == 2
    assert cells[0] == cells[1]


def test_newest_row_of_the_window_is_chosen_as_by_the_arrow_engine(stores: Stores, session: Session) -> None:
    rows = [
        ("at_start", 1, NOON - DAY, NOON),
        ("before_start", 2, NOON - DAY - MICROSECOND, NOON),
        ("at_end", 3, NOON, NOON),
        ("before_end", 4, NOON - MICROSECOND, NOON),
        ("latest", 5, NOON - 3 * HOUR, NOON),
        ("latest", 6, NOON - HOUR, NOON),
        ("latest", 7, NOON - 2 * HOUR, NOON + DAY),
        ("latest", 8, NOON, NOON),
        ("created", 9, NOON - HOUR, NOON - 2 * HOUR),
        ("created", 10, NOON - HOUR, NOON),
        ("uncreated", 11, NOON - HOUR, NOON),
        ("uncreated", 12, NOON - HOUR, None),
        ("equal", 13, NOON - HOUR, NOON),
        ("equal", 14, NOON - HOUR, NOON),
    ]
    names = ("id", "a", "event_timestamp", "created")
    stores.write(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))))
    for project, engine in {"arrow": ARROW, "spark": SPARK}.items():
        store = stores.open(project, engine)
        stores.apply(store, {"a": Int64}, {"id": String}, created_timestamp_column="created")
        store.materialize(NOON - DAY, NOON)
    chosen = session.execute(f"SELECT id, a FROM {stores.keyspace}.spark__stats").all()
    assert sorted(row.a for row in chosen) == [1, 4, 6, 10, 11, 14]
    assert written(session, stores.keyspace, "spark", "a") == written(session, stores.keyspace, "arrow", "a")


def test_of_equal_rows_the_last_of_the_last_file_is_chosen_as_by_the_arrow_engine(
    stores: Stores, session: Session
) -> None:
    folder = stores.folder / "parts"
    folder.mkdir()
    for name, values in {"b": [1, 2], "a": [*range(3, 500)]}.items():
        times = pa.array([NOON] * len(values), MOMENT)
        pq.write_table(
            pa.table({"id": ["x"] * len(values), "n": values, "event_timestamp": times}),
            folder / f"{name}.parquet",
        )
    for project, engine in {"arrow": ARROW, "spark": SPARK}.items():
        store = stores.open(project, engine)
        stores.apply(store, {"n": Int64}, {"id": String}, path=str(folder))
        store.materialize(NOON - DAY, NOON + DAY)
        assert [row.n for row in session.execute(f"SELECT n FROM {stores.keyspace}.{project}__stats")] == [2]


def test_partitioned_folder_with_mapped_columns_is_read_from_the_base_path(
    stores: Stores, session: Session
) -> None:
    table = pa.table({"ID": ["x", "y"], "AMT": [1.5, None], "AT": [NOON, NOON + HOUR], "shop": ["s", "t"]})
    partitions = ds.partitioning(pa.schema([("shop", pa.string())]), flavor="hive")
    ds.write_dataset(table, stores.folder / "lake/payments", format="parquet", partitioning=partitions)
    pq.write_table(
        table.drop_columns("AMT").set_column(0, "ID", [["z", "w"]]),
        stores.folder / "lake/payments/shop=s/b.parquet",
    )
    store = stores.open("spark", SPARK, base_path=str(stores.folder / "lake"))
    mapping = {"ID": "id", "AMT": "amount", "AT": "event_timestamp"}
    features = {"amount": Float64, "shop": String}
    stores.apply(store, features, {"id": String}, path="payments", field_mapping=mapping)
    store.materialize(NOON - DAY, NOON + DAY)
    rows = session.execute(f"SELECT id, amount, shop FROM {stores.keyspace}.spark__stats").all()
    assert sorted(tuple(row) for row in rows) == [
        ("w", None, "s"),
        ("x", 1.5, "s"),
        ("y", None, "t"),
        ("z", None, "s"),
    ]


def test_an_executor_process_opens_one_session_for_all_its_tasks(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = range(3000)
    times = pa.array([NOON] * len(numbers), MOMENT)
    stores.write(pa.table({"id": list(map(str, numbers)), "n": list(numbers), "event_timestamp": times}))
    store = stores.open("spark", SPARK | {"partitions": 16, "batch_rows": 50})
    stores.apply(store, {"n": Int64}, {"id": String})
    with caplog.at_level(logging.INFO, "poc.lake.engine"):
        store.materialize(NOON, NOON + DAY)
    [record] = [record for record in caplog.records if record.name == "poc.lake.engine"]
    _, counted = record.args
    assert counted.rows == len(numbers)
    assert counted.sessions == counted.processes <= 2


def test_a_failing_executor_raises_and_no_interval_is_recorded(stores: Stores) -> None:
    ids = pa.array([*map(str, range(200)), None])
    times = pa.array([NOON] * len(ids), MOMENT)
    stores.write(pa.table({"id": ids, "n": list(range(len(ids))), "event_timestamp": times}))
    store = stores.apply(stores.open("spark", SPARK), {"n": Int64}, {"id": String})
    with pytest.raises(ExecutorsFailed, match="id"):
        store.materialize(NOON, NOON + DAY)
    assert store.get_feature_view("stats").materialization_intervals == []


def test_historical_features_are_the_file_stores(stores: Stores) -> None:
    moments = [NOON - 3 * DAY, NOON - DAY, NOON, NOON + MICROSECOND]
    stores.write(
        pa.table(
            {
                "id": ["a"] * 4 + ["b"],
                "n": pa.array([1, 2, None, 4, 5]),
                "s": ["one", None, "three", "four", "five"],
                "event_timestamp": pa.array([*moments, NOON - 2 * DAY], MOMENT),
                "created": pa.array([*moments, NOON], MOMENT),
            }
        )
    )
    asked = pd.DataFrame(
        [
            ("a", NOON - 3 * DAY - MICROSECOND),  # before everything
            ("a", NOON - 3 * DAY),  # a record of the very moment
            ("a", NOON - 2 * DAY + HOUR),  # the record is past its ttl
            ("a", NOON),
            ("a", NOON + HOUR),
            ("b", NOON - DAY),  # a record of exactly the ttl's age
            ("b", NOON - DAY + MICROSECOND),
            ("c", NOON),  # unknown
        ],
        columns=["id", "event_timestamp"],
    )
    known = {}
    for project, engine in {"arrow": ARROW, "spark": SPARK}.items():
        store = stores.open(project, engine)
        features = {"n": Int64, "s": String}
        stores.apply(store, features, {"id": String}, ttl=DAY, created_timestamp_column="created")
        rows = store.get_historical_features(asked.copy(), ["stats:n", "stats:s"]).to_df()
        known[project] = rows.set_index(["id", "event_timestamp"])[["n", "s"]].sort_index()
    files, spark = known["arrow"], known["spark"]
    pd.testing.assert_frame_equal(spark.loc[files.index], files, check_dtype=False, check_index_type=False)
    # The file store leaves out who has records but none that counts; the rest of the join is all nulls.
    assert spark.drop(files.index).isna().all(axis=None)
    assert len(spark) == len(asked)
    assert spark["s"].dropna().tolist() == ["one", "three", "four", "five"]


def test_the_users_commands_put_the_newest_rows_online(
    workplace: Any, session: Session, definitions: ServedFeatures
) -> None:
    spark = "export FEAST_FS_YAML_FILE_PATH=feature_repo/stores/spark.yaml"
    workplace.shell(f"{spark}; python scripts/feast_setup.py", timeout=500)
    done = workplace.shell(f"{spark}; python scripts/feast_materialize.py", timeout=500)
    assert "✓ Sample feature retrieval successful" in done.stdout
    # The direct table is filled from the Parquet without Feast and without Spark.
    [view] = definitions.feature_sets
    columns = ", ".join([*view.key_names, *view.names])
    stored = online_tables(session, "feast_online_store", "ml_platform_poc", view.view)
    tables = (".".join(stored[ROW_STORE]), f"ml_features.{view.view}")
    online, direct = (
        {tuple(row) for row in session.execute(f"SELECT {columns} FROM {table}")} for table in tables
    )
    assert len(direct) > 1000
    assert online == direct


@pytest.mark.timeout(3600)
def test_many_rows_are_written_as_by_the_arrow_engine_in_bounded_memory(
    root: Path, cassandra: ConnectionSettings
) -> None:
    settings = Settings(
        feast_repo_path=root / "feature_repo",
        cassandra_hosts=cassandra.hosts,
        cassandra_port=cassandra.port,
    )
    with quick_java(), open_place(settings) as place:
        found = check_spark(place, MANY_ROWS)
    [memory] = [measured.peak_mib_by_part for measured in found if measured.engine == "Spark"]
    # A million rows measured 850 and 510: what grows with the rows spills to disk.
    assert memory["java"] < 2048
    assert memory["workers"] < 1536
