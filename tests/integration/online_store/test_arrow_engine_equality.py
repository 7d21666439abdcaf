"""The Arrow engine writes what Feast's own engine writes: the same rows, the same bytes."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from cassandra.cluster import Session
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
LONG_AGO = datetime(1960, 1, 1, tzinfo=timezone.utc)
MOMENT = pa.timestamp("us", "UTC")
DRIVERS = ["acsylla", "cassandra-driver"]
FEATURES = {
    "bytes": (Bytes, pa.binary(), [b"\x00\xff", b"", None]),
    "string": (String, pa.string(), ["é", "", None]),
    "int32": (Int32, pa.int32(), [-(2**31), 0, None]),
    "int64": (Int64, pa.int64(), [2**53, -1, None]),
    "int64_full": (Int64, pa.int64(), [2**63 - 1, -(2**63), 0]),
    "float64": (Float64, pa.float64(), [1.1, float("inf"), None]),
    "float64_nan": (Float64, pa.float64(), [float("nan"), -0.0, 1e-300]),
    "float32": (Float32, pa.float32(), [1.5, -0.0, None]),
    "bool": (Bool, pa.bool_(), [True, False, None]),
    "time": (UnixTimestamp, MOMENT, [NOON, datetime(1950, 1, 1, tzinfo=timezone.utc), None]),
    "bytes_list": (Array(Bytes), pa.list_(pa.binary()), [[b"a", b""], [], None]),
    "string_list": (Array(String), pa.list_(pa.string()), [["a", ""], [], None]),
    "int32_list": (Array(Int32), pa.list_(pa.int32()), [[1, -1], [], None]),
    "int64_list": (Array(Int64), pa.list_(pa.int64()), [[2**62], [], None]),
    "float64_list": (Array(Float64), pa.list_(pa.float64()), [[1.1, float("nan")], [], None]),
    "float32_list": (Array(Float32), pa.list_(pa.float32()), [[1.5], [], None]),
    "bool_list": (Array(Bool), pa.list_(pa.bool_()), [[True, False], [], None]),
    "time_list": (Array(UnixTimestamp), pa.list_(pa.timestamp("us")), [[NOON], [], []]),
    # Declared other than stored: Feast's own conversion decides.
    "text_of_number": (String, pa.int64(), [1, 2, 3]),
    "number_of_float": (Int64, pa.float64(), [1.0, -2.0, 3.0]),
}


def types_table() -> pa.Table:
    columns = {name: pa.array(values, kind) for name, (_, kind, values) in FEATURES.items()}
    keys = {"id": ["a", "", "ü"], "place": pa.array([1, -1, 2**31 - 1], pa.int64())}
    times = [NOON, NOON - timedelta(milliseconds=1), datetime(1965, 1, 1, tzinfo=timezone.utc)]
    return pa.table({**keys, **columns, "event_timestamp": pa.array(times, MOMENT)})


def stock_cells(session: Session, keyspace: str, project: str) -> list[tuple[Any, ...]]:
    rows = session.execute(
        f'SELECT entity_key, feature_name, value, event_ts FROM {keyspace}."{project}_stats"'
    )
    return sorted(tuple(row) for row in rows.all())


@pytest.mark.parametrize("driver", DRIVERS)
def test_stock_layout_is_byte_for_byte_the_stock_engines_on_every_type(
    stores: Any, session: Session, driver: str
) -> None:
    pytest.importorskip("acsylla") if driver == "acsylla" else None
    stores.write_source(types_table())
    features = {name: dtype for name, (dtype, _, _) in FEATURES.items()}
    for project, engine in {"stock": None, "arrow": {"driver": driver}}.items():
        store = stores.open("stock", project, engine)
        stores.view(store, features, {"id": String, "place": Int64})
        store.materialize(LONG_AGO, NOON + timedelta(seconds=1))
    cells = stock_cells(session, stores.keyspace, "arrow")
    assert len(cells) == 3 * len(FEATURES)
    assert cells == stock_cells(session, stores.keyspace, "stock")


@pytest.mark.parametrize("driver", DRIVERS)
def test_row_layout_answers_as_the_stock_store_does_on_every_type(stores: Any, driver: str) -> None:
    pytest.importorskip("acsylla") if driver == "acsylla" else None
    stores.write_source(types_table())
    features = {name: dtype for name, (dtype, _, _) in FEATURES.items()}
    answers = []
    for layout, engine in (("stock", None), ("rows", {"driver": driver})):
        store = stores.open(layout, layout, engine)
        stores.view(store, features, {"id": String, "place": Int64})
        store.materialize(LONG_AGO, NOON + timedelta(seconds=1))
        asked = [{"id": "a", "place": 1}, {"id": "", "place": -1}, {"id": "ü", "place": 2**31 - 1}]
        asked.append({"id": "a", "place": 2})
        answer = store.get_online_features([f"stats:{name}" for name in features], asked)
        answers.append((repr_by_name(answer.to_dict()), statuses_and_times(answer.proto)))
    assert answers[0] == answers[1]


def repr_by_name(answer: dict[str, list[Any]]) -> dict[str, str]:
    """Compare as text: a NaN does not equal itself."""
    return {name: repr(answer[name]) for name in sorted(answer)}


def statuses_and_times(proto: Any) -> dict[str, Any]:
    names = proto.metadata.feature_names.val
    return {
        name: (list(vector.statuses), [time.ToJsonString() for time in vector.event_timestamps])
        for name, vector in zip(names, proto.results, strict=True)
    }


@pytest.mark.parametrize("layout", ["stock", "rows"])
def test_same_rows_are_chosen_as_by_the_stock_engine(stores: Any, layout: str) -> None:
    """Ends of the window, several rows an entity, created time between equal event times."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    rows = [
        ("at_start", 1, NOON - day, NOON),
        ("before_start", 2, NOON - day - timedelta(microseconds=1), NOON),
        ("at_end", 3, NOON, NOON),
        ("before_end", 4, NOON - timedelta(microseconds=1), NOON),
        ("latest", 5, NOON - 3 * hour, NOON),
        ("latest", 6, NOON - hour, NOON),
        ("latest", 7, NOON - 2 * hour, NOON + day),
        ("latest", 8, NOON, NOON),
        ("created", 9, NOON - hour, NOON - 2 * hour),
        ("created", 10, NOON - hour, NOON),
        ("created", 11, NOON - hour, NOON - hour),
    ]
    names = ("id", "a", "event_timestamp", "created")
    stores.write_source(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))))
    answers = []
    for project, engine in {"own": None, "arrow": {}}.items():
        store = stores.open(layout, project, engine)
        stores.view(store, {"a": Int64}, {"id": String}, created_timestamp_column="created")
        store.materialize(NOON - day, NOON)
        asked = [
            {"id": id} for id in ("at_start", "before_start", "at_end", "before_end", "latest", "created")
        ]
        answers.append(store.get_online_features(["stats:a"], asked).to_dict()["a"])
    assert answers == [[1, None, None, 4, 6, 10]] * 2


@pytest.mark.parametrize("layout", ["stock", "rows"])
def test_mapped_columns_are_found_under_their_own_names(stores: Any, layout: str) -> None:
    columns = {"ID": ["x"], "AMT": [1.5], "AT": [NOON], "MADE": [NOON], "b": [2]}
    stores.write_source(pa.table(columns))
    answers = []
    for project, engine in {"own": None, "arrow": {}}.items():
        store = stores.open(layout, project, engine)
        mapping = {"ID": "id", "AMT": "amount", "AT": "event_timestamp", "MADE": "created"}
        stores.view(
            store,
            {"amount": Float64, "b": Int64},
            {"id": String},
            field_mapping=mapping,
            created_timestamp_column="created",
        )
        store.materialize(NOON - timedelta(days=1), NOON + timedelta(days=1))
        answers.append(store.get_online_features(["stats:amount", "stats:b"], [{"id": "x"}]).to_dict())
    assert answers == [{"id": ["x"], "amount": [1.5], "b": [2]}] * 2
