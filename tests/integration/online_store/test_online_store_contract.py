"""What Feast, and whoever serves from it, may expect of the online store."""

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from cassandra.cluster import Session
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, Int64, String

from poc.online_store.errors import NotAcknowledged, WrongValueType

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)


@pytest.fixture
def rows(stores: Any, rows_of: Any) -> Any:
    store = stores.open()
    return rows_of(store, stores.view(store, {"a": Int64, "b": String}, {"id": String}))


def text(value: str) -> Value:
    return Value(string_val=value)


def number(value: int) -> Value:
    return Value(int64_val=value)


def test_row_comes_back_with_its_event_time_in_utc(rows: Any) -> None:
    key = rows.key(id=text("x"))
    rows.write(key, {"a": number(1), "b": text("one")}, NOON + timedelta(milliseconds=5))
    assert rows.read(key) == [(NOON + timedelta(milliseconds=5), {"a": number(1), "b": text("one")})]


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_session_that_writes_knows_where_the_keyspace_lies(stores: Any, rows_of: Any, layout: str) -> None:
    store = stores.open(layout)
    rows = rows_of(store, stores.view(store, {"a": Int64}, {"id": String}))
    rows.write(rows.key(id=text("x")), {"a": number(1)})
    session = store._get_provider().online_store.session(store.config)
    assert set(session.cluster.metadata.keyspaces) == {stores.keyspace}


def test_absent_row_null_value_and_zero_are_three_answers(rows: Any) -> None:
    null, zero, absent = (rows.key(id=text(id)) for id in ("null", "zero", "absent"))
    rows.write(null, {"a": Value(), "b": Value()})
    rows.write(zero, {"a": number(0), "b": text("")})
    assert rows.read(null, zero, absent) == [
        (NOON, {"a": Value(), "b": Value()}),
        (NOON, {"a": number(0), "b": text("")}),
        (None, None),
    ]


def test_only_the_requested_features_are_read(rows: Any) -> None:
    key = rows.key(id=text("x"))
    rows.write(key, {"a": number(1), "b": text("one")})
    assert rows.read(key, features=["b"]) == [(NOON, {"b": text("one")})]
    assert rows.read(key, features=["b", "unknown"]) == [(NOON, {"b": text("one")})]
    assert rows.read(key, features=[]) == [(NOON, {})]


def test_answers_keep_the_order_and_the_number_of_the_keys(rows: Any) -> None:
    keys = [rows.key(id=text(f"id{value}")) for value in range(250)]
    data = [(key, {"a": number(value), "b": Value()}, NOON, None) for value, key in enumerate(keys)]
    rows.online.online_write_batch(rows.store.config, rows.view, data, None)
    asked = [*reversed(keys), keys[7], rows.key(id=text("absent"))]
    values = [None if row is None else row["a"].int64_val for _, row in rows.read(*asked, features=["a"])]
    assert values == [*reversed(range(250)), 7, None]
    assert rows.read() == []


def test_reading_without_blocking_answers_the_same(rows: Any) -> None:
    keys = [rows.key(id=text(f"id{value}")) for value in range(150)]
    data = [(key, {"a": number(value), "b": Value()}, NOON, None) for value, key in enumerate(keys[:100])]
    rows.online.online_write_batch(rows.store.config, rows.view, data, None)
    keys.append(rows.key(id=number(1)))
    answer = asyncio.run(rows.online.online_read_async(rows.store.config, rows.view, keys, ["a"]))
    assert answer == rows.read(*keys, features=["a"])


def test_key_of_another_type_or_too_long_is_absent_not_an_error(rows: Any) -> None:
    keys = [rows.key(id=number(1)), rows.key(id=text("x" * 70_000)), rows.key(id=text(""))]
    assert rows.read(*keys) == [(None, None)] * 3


def test_older_write_does_not_overwrite_newer(rows: Any) -> None:
    key = rows.key(id=text("x"))
    rows.write(key, {"a": number(2), "b": Value()}, NOON)
    rows.write(key, {"a": number(1), "b": text("old")}, NOON - timedelta(microseconds=1))
    assert rows.read(key) == [(NOON, {"a": number(2), "b": Value()})]


def test_newer_null_replaces_an_older_value(rows: Any) -> None:
    key = rows.key(id=text("x"))
    rows.write(key, {"a": number(1), "b": text("old")}, NOON)
    rows.write(key, {"a": Value(), "b": Value()}, NOON + timedelta(seconds=1))
    assert rows.read(key)[0][1] == {"a": Value(), "b": Value()}


def test_event_before_1970_is_written_and_replaced_by_a_later_one(rows: Any) -> None:
    key = rows.key(id=text("x"))
    old = datetime(1950, 1, 1, tzinfo=timezone.utc)
    rows.write(key, {"a": number(1), "b": Value()}, old)
    assert rows.read(key)[0][0] == old
    rows.write(key, {"a": number(2), "b": Value()}, old + timedelta(days=1))
    assert rows.read(key)[0][1]["a"] == number(2)


def test_row_with_some_features_leaves_the_others_as_they_were(rows: Any) -> None:
    key = rows.key(id=text("x"))
    rows.write(key, {"a": number(1), "b": text("one")}, NOON)
    rows.write(key, {"a": number(2)}, NOON + timedelta(seconds=1))
    assert rows.read(key)[0][1] == {"a": number(2), "b": text("one")}


def test_progress_reports_every_row(rows: Any) -> None:
    reported: list[int] = []
    data = [(rows.key(id=text(f"{id}")), {"a": number(id)}, NOON, None) for id in range(30)]
    rows.online.online_write_batch(rows.store.config, rows.view, data, reported.append)
    assert sum(reported) == 30


def test_value_of_another_type_is_refused_before_anything_is_written(rows: Any) -> None:
    good, bad = rows.key(id=text("good")), rows.key(id=text("bad"))
    data = [(good, {"a": number(1)}, NOON, None), (bad, {"a": text("1")}, NOON, None)]
    with pytest.raises(WrongValueType, match="'a'"):
        rows.online.online_write_batch(rows.store.config, rows.view, data, None)
    assert rows.read(good) == [(None, None)]


def test_every_row_is_one_row_that_a_person_can_read(rows: Any, session: Session, stores: Any) -> None:
    rows.write(rows.key(id=text("x")), {"a": number(1), "b": text("one")})
    [row] = session.execute(f'SELECT * FROM {stores.keyspace}."poc__stats"').all()
    assert row._asdict() == {
        "id": "x",
        "a": 1,
        "b": "one",
        "event_timestamp": NOON.replace(tzinfo=None),
        "created_timestamp": None,
    }


def test_row_lives_as_long_as_the_store_says_counted_from_its_event(
    stores: Any, rows_of: Any, session: Session
) -> None:
    store = stores.open(ttl_seconds=1000)
    rows = rows_of(store, stores.view(store, {"a": Int64}, {"id": String}))
    now = datetime.now(timezone.utc)
    for id, age in {"new": 0, "middle": 900, "past": 1001}.items():
        rows.write(rows.key(id=text(id)), {"a": number(1)}, now - timedelta(seconds=age))
    lives = dict(session.execute(f'SELECT id, TTL(a) FROM {stores.keyspace}."poc__stats"').all())
    assert set(lives) == {"new", "middle"}
    assert 980 <= lives["new"] <= 1000
    assert 80 <= lives["middle"] <= 100


def test_a_views_ttl_deletes_nothing_so_that_stale_can_be_told_from_absent(stores: Any, rows_of: Any) -> None:
    store = stores.open()
    rows = rows_of(store, stores.view(store, {"a": Int64}, {"id": String}, ttl=timedelta(days=1)))
    key = rows.key(id=text("x"))
    rows.write(key, {"a": number(1)}, NOON)
    assert rows.read(key) == [(NOON, {"a": number(1)})]


def test_names_that_differ_only_in_case_or_look_like_the_rows_own_are_kept_apart(
    stores: Any, rows_of: Any
) -> None:
    store = stores.open()
    names = ["a", "A", "event_timestamp", "created_timestamp", 'quo"ted', "select", "ünï cödé", "x" * 200]
    view = stores.view(
        store,
        dict.fromkeys(names, Int64),
        {"Id": String, "id": String},
        name="A view-with.odd names " + "x" * 60,
        timestamp_field="at",
    )
    rows = rows_of(store, view)
    key = rows.key(Id=text("x"), id=text("y"))
    values = {name: number(position) for position, name in enumerate(names)}
    rows.write(key, values)
    assert rows.read(key, rows.key(Id=text("y"), id=text("x"))) == [(NOON, values), (None, None)]


def test_view_without_entities_is_one_row(stores: Any, rows_of: Any) -> None:
    store = stores.open()
    source = FileSource(path=str(stores.source()), timestamp_field="event_timestamp")
    frame = pd.DataFrame({"rate": [1.5, 2.5], "event_timestamp": [NOON, NOON + timedelta(hours=1)]})
    frame.to_parquet(stores.source())
    view = FeatureView(name="rates", schema=[Field(name="rate", dtype=Float64)], source=source)
    # Feast takes no request without any entity.
    other = Entity(name="other", join_keys=["other_id"], value_type=ValueType.STRING)
    store.apply([view, other])
    store.materialize(NOON - timedelta(days=1), NOON + timedelta(days=1))
    answer = store.get_online_features(["rates:rate"], [{"other_id": "x"}, {"other_id": "y"}]).to_dict()
    assert answer["rate"] == [2.5, 2.5]


def test_several_views_are_read_in_one_call(stores: Any) -> None:
    store = stores.open()
    for name, value in {"one": 1, "two": 2}.items():
        frame = pd.DataFrame({"id": ["x"], name: [value], "event_timestamp": [NOON]})
        frame.to_parquet(stores.source(name))
        stores.view(store, {name: Int64}, {"id": String}, name=name)
    store.materialize(NOON - timedelta(days=1), NOON + timedelta(days=1))
    answer = store.get_online_features(["one:one", "two:two"], [{"id": "x"}, {"id": "y"}])
    assert answer.to_dict() == {"id": ["x", "y"], "one": [1, None], "two": [2, None]}


def test_pushed_rows_are_served(stores: Any) -> None:
    store = stores.open()
    stores.view(store, {"a": Int64}, {"id": String})
    frame = pd.DataFrame({"id": ["x", "y"], "a": [1, None], "event_timestamp": [NOON, NOON]})
    store.write_to_online_store("stats", frame)
    answer = store.get_online_features(["stats:a"], [{"id": "x"}, {"id": "y"}, {"id": "z"}])
    assert answer.to_dict()["a"] == [1, None, None]
    # Feast's FieldStatus: 1 is PRESENT, 3 NOT_FOUND.
    [statuses] = [vector.statuses for vector in answer.proto.results[1:]]
    assert list(statuses) == [1, 1, 3]


def test_write_that_cassandra_cannot_confirm_is_an_error(stores: Any, rows_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("poc.online_store.acknowledged_writes.FIRST_WAIT_SECONDS", 0.001)
    view = stores.view(stores.open(), {"a": Int64}, {"id": String})
    # One node can never confirm for two.
    store = stores.open(consistency_level="TWO")
    rows = rows_of(store, view)
    with pytest.raises(NotAcknowledged, match="1 of 1 rows were not acknowledged"):
        rows.write(rows.key(id=text("x")), {"a": number(1)})
