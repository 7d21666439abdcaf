"""Readers of both layouts and both drivers follow what becomes of their table, and never read garbage."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import wait
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    PushSource,
    StreamFeatureView,
    ValueType,
)
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp

from poc.online_store.errors import DriverMissing, PocError
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import SCHEMA, Session

pytestmark = pytest.mark.filterwarnings("ignore:Stream feature views are")
NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
both_layouts = pytest.mark.parametrize("layout", ["rows", "stock"])
both_drivers = pytest.mark.parametrize("driver", ["acsylla", "cassandra-driver"])
WRITTEN: dict[FeastType, Value] = {
    Int32: Value(int32_val=-1),
    Int64: Value(int64_val=2**60),
    Float32: Value(float_val=0.5),
    Float64: Value(double_val=0.1),
    String: Value(string_val="ü\0"),
    Bytes: Value(bytes_val=b"\xff\0"),
    Bool: Value(bool_val=True),
    UnixTimestamp: Value(unix_timestamp_val=1_700_000_000),
}


def status(store: FeatureStore, feature: str) -> Any:
    """Return a feature's status and value of entity x, by the blocking call."""
    answer = store.get_online_features([f"stats:{feature}"], [{"id": "x"}])
    names = list(answer.proto.metadata.feature_names.val)
    result = answer.proto.results[names.index(feature)]
    return result.statuses[0], answer.to_dict()[feature][0]


def read_on(loop: asyncio.AbstractEventLoop, store: FeatureStore, feature: str = "a") -> Any:
    answer = asyncio.run_coroutine_threadsafe(
        store.get_online_features_async([f"stats:{feature}"], [{"id": "x"}]), loop
    ).result(30)
    return answer.to_dict()[feature][0]


def within(seconds: float, value: Callable[[], Any], expected: Any) -> None:
    """Wait until `value` gives what is expected; what it gives before must be an error of ours, or None."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with cassandra_failures("the test's node"):
                found = value()
        except PocError:
            found = None
        if found == expected:
            return
        assert found is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def frame(**values: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": ["x"], "event_timestamp": [NOON], **{name: [v] for name, v in values.items()}})


@both_layouts
@pytest.mark.parametrize("way", ["engine", "push"])
def test_new_feature_is_not_found_until_a_write_has_a_value_for_it(
    stores: Any, layout: str, way: str, loop: asyncio.AbstractEventLoop
) -> None:
    store = stores.open(layout, engine={})
    stores.view(store, {"a": Int64}, {"id": String})
    store.write_to_online_store("stats", frame(a=1))
    stores.view(store, {"a": Int64, "b": Float64}, {"id": String})
    assert status(store, "b") == (FieldStatus.NOT_FOUND, None)
    assert status(store, "a") == (FieldStatus.PRESENT, 1)
    if way == "push":
        store.write_to_online_store("stats", frame(a=1, b=0.5))
    else:
        stores.write_source(pa.table({"id": ["x"], "a": [1], "b": [0.5], "event_timestamp": [NOON + DAY]}))
        engine = store if layout == "rows" else stores.open(layout, engine={"write_time": "now"})
        stores.view(engine, {"a": Int64, "b": Float64}, {"id": String})
        engine.materialize(NOON, NOON + 2 * DAY)
    deadline = time.monotonic() + 60
    while status(store, "b") != (FieldStatus.PRESENT, 0.5):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert read_on(loop, store, "b") == 0.5


@both_drivers
def test_retyped_table_is_never_read_by_its_old_types(
    stores: Any, session: Session, loop: asyncio.AbstractEventLoop, driver: str
) -> None:
    store = stores.open()
    store._get_provider().online_store.driver = driver
    stores.view(store, {"a": Int64}, {"id": String})
    store.write_to_online_store("stats", frame(a=64))
    assert read_on(loop, store) == 64
    other = stores.open()
    session.execute(f"DROP TABLE {stores.keyspace}.poc__stats", execution_profile=SCHEMA)
    stores.view(other, {"a": Float64}, {"id": String})
    other.write_to_online_store("stats", frame(a=64.5))
    # Another client has prepared the statement on the node: it knows it, and does not tell us of the change.
    assert status(other, "a") == (FieldStatus.PRESENT, 64.5)
    for _ in range(20):
        for read in (lambda: read_on(loop, store), lambda: status(store, "a")[1]):
            with pytest.raises(PocError), cassandra_failures("the test's node"):
                assert read() is None
        time.sleep(0.05)
    stores.view(store, {"a": Float64}, {"id": String})
    within(60, lambda: read_on(loop, store), 64.5)


@both_layouts
@both_drivers
def test_reader_recovers_from_a_lost_table_and_a_lost_keyspace(
    stores: Any, session: Session, loop: asyncio.AbstractEventLoop, layout: str, driver: str
) -> None:
    store = stores.open(layout)
    store._get_provider().online_store.driver = driver
    stores.view(store, {"a": Int64}, {"id": String})
    store.write_to_online_store("stats", frame(a=1))
    assert read_on(loop, store) == status(store, "a")[1] == 1
    table = "poc__stats" if layout == "rows" else "poc_stats"
    for number, lost in enumerate((f"TABLE {stores.keyspace}.{table}", f"KEYSPACE {stores.keyspace}"), 2):
        session.execute(f"DROP {lost}", execution_profile=SCHEMA)
        for read in (lambda: read_on(loop, store), lambda: status(store, "a")):
            with pytest.raises(PocError), cassandra_failures("the test's node"):
                read()
        other = stores.open(layout)
        stores.view(other, {"a": Int64}, {"id": String})
        other.write_to_online_store("stats", frame(a=number))
        within(60, lambda: read_on(loop, store), number)
        within(60, lambda: status(store, "a")[1], number)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@both_layouts
def test_process_that_is_forked_reads_over_a_session_of_its_own(
    stores: Any, layout: str, loop: asyncio.AbstractEventLoop
) -> None:
    store = stores.open(layout)
    stores.view(store, {"a": Int64}, {"id": String})
    store.write_to_online_store("stats", frame(a=7))
    assert read_on(loop, store) == status(store, "a")[1] == 7
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(tell, str(status(store, "a")[1]).encode())
        finally:
            os._exit(0)
    ready = wait([told], 30)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert ready == [told]
    assert os.read(told, 10) == b"7"
    assert status(store, "a")[1] == 7


@both_layouts
@pytest.mark.parametrize("kind", ["stream", "push"])
def test_view_that_repeats_its_join_key_is_pushed_to_and_materialized(
    stores: Any, layout: str, kind: str
) -> None:
    store = stores.open(layout, engine={"write_time": "now"})
    entity = Entity(name="thing", join_keys=["id"], value_type=ValueType.STRING)
    batch = FileSource(path=str(stores.source()), timestamp_field="event_timestamp")
    make = StreamFeatureView if kind == "stream" else FeatureView
    view = make(
        name="stats",
        entities=[entity],
        ttl=timedelta(0),
        schema=[Field(name="id", dtype=String), Field(name="a", dtype=Int64)],
        source=PushSource(name="pushed", batch_source=batch),
    )
    stores.write_source(pa.table({"id": ["x"], "a": [1], "event_timestamp": [NOON]}))
    store.apply([entity, view])
    store.materialize(NOON - DAY, NOON + DAY)
    assert store.get_online_features(["stats:a"], [{"id": "x"}]).to_dict() == {"id": ["x"], "a": [1]}
    store.push("pushed", pd.DataFrame({"id": ["x", "y"], "a": [2, 3], "event_timestamp": [NOON + DAY] * 2}))
    rows = [{"id": "x"}, {"id": "y"}, {"id": "z"}]
    assert store.get_online_features(["stats:a"], rows).to_dict()["a"] == [2, 3, None]
    if kind == "stream":
        # Feast keeps the repeated key among such a view's features: then it is one that can be asked for.
        answer = store.get_online_features(["stats:id", "stats:a"], rows[:2]).to_dict()
        assert answer == {"id": ["x", "y"], "a": [2, 3]}


@both_layouts
@both_drivers
def test_event_loop_reads_every_type_as_a_thread_does(
    stores: Any, rows_of: Any, loop: asyncio.AbstractEventLoop, layout: str, driver: str
) -> None:
    store = stores.open(layout)
    store._get_provider().online_store.driver = driver
    lists = {Array(dtype): listed(value) for dtype, value in WRITTEN.items()}
    values = {f"f{place}": value for place, value in enumerate((WRITTEN | lists).values())}
    types = {f"f{place}": dtype for place, dtype in enumerate(WRITTEN | lists)}
    rows = rows_of(store, stores.view(store, types, {"id": String}))
    rows.write(rows.key(id=Value(string_val="x")), values)
    rows.write(rows.key(id=Value(string_val="y")), dict.fromkeys(values, Value()))
    features = [f"stats:{name}" for name in values]
    asked = [{"id": "x"}, {"id": "y"}, {"id": "z"}]
    by_thread = store.get_online_features(features, asked)
    by_loop = asyncio.run_coroutine_threadsafe(store.get_online_features_async(features, asked), loop).result(
        30
    )
    assert by_loop.to_dict(include_event_timestamps=True) == by_thread.to_dict(include_event_timestamps=True)
    assert by_loop.proto == by_thread.proto
    found = dict(zip(by_loop.proto.metadata.feature_names.val, by_loop.proto.results, strict=True))
    assert {name: found[name].values[0] for name in values} == values


def listed(value: Value) -> Value:
    made, kind = Value(), value.WhichOneof("val")
    getattr(made, kind.replace("_val", "_list_val")).val.extend([getattr(value, kind)] * 2)
    return made


def test_driver_that_is_demanded_and_missing_is_named(stores: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from poc.online_store import acsylla_reads

    store = stores.open()
    monkeypatch.setattr(acsylla_reads, "acsylla_is_installed", lambda: False)
    store._get_provider().online_store.driver = "acsylla"
    with pytest.raises(DriverMissing, match="FEATURE_DRIVER asks for acsylla"):
        store._get_provider().online_store.session(store.config)
    # What is refused leaves no session behind.
    assert store._get_provider().online_store._session is None
