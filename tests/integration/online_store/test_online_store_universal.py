"""Behaviours that Feast's own universal tests ask of every online store, on this one."""

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RequestSource,
    ValueType,
)
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["own engine", "Arrow engine"])
def store(request: pytest.FixtureRequest, stores: Any) -> FeatureStore:
    return stores.open(engine={} if request.param == "Arrow engine" else None)


def place_view(stores: Any, store: FeatureStore) -> FeatureView:
    frame = pd.DataFrame({"place_id": [1, 2], "heat": [10.5, 20.5], "event_timestamp": [NOW, NOW]})
    frame.to_parquet(stores.source())
    return stores.view(store, {"heat": Float64}, {"place_id": Int64})


def test_one_view_serves_two_roles_of_its_entity_in_one_request(stores: Any, store: FeatureStore) -> None:
    view = place_view(stores, store)
    service = FeatureService(
        name="trip",
        features=[
            view.with_name("origin").with_join_key_map({"place_id": "origin_id"}),
            view.with_name("destination").with_join_key_map({"place_id": "destination_id"}),
        ],
    )
    store.apply([service])
    store.materialize(NOW - HOUR, NOW + HOUR)
    rows = [{"origin_id": 1, "destination_id": 2}, {"origin_id": 2, "destination_id": 3}]
    answer = store.get_online_features(store.get_feature_service("trip"), rows, full_feature_names=True)
    assert answer.to_dict() == {
        "origin_id": [1, 2],
        "destination_id": [2, 3],
        "origin__heat": [10.5, 20.5],
        "destination__heat": [20.5, None],
    }


@pytest.mark.parametrize("keys", [("place_id", "home_id"), ("home_id", "place_id")])
def test_role_of_an_entity_beside_the_entity_itself_is_its_own_in_any_order(
    stores: Any, store: FeatureStore, keys: tuple[str, str]
) -> None:
    # Feast's own call takes the one for the other where the role is named first, and it cannot
    # compare services that take a view both under its name and under another.
    view = place_view(stores, store)
    here = view.with_name("here")
    home = view.with_name("home").with_join_key_map({"place_id": "home_id"})
    store.apply([FeatureService(name="trip", features=[here, home])])
    store.materialize(NOW - HOUR, NOW + HOUR)
    values = {"place_id": 1, "home_id": 2}
    rows = [{key: values[key] for key in keys}]
    answer = store.get_online_features(store.get_feature_service("trip"), rows, full_feature_names=True)
    assert answer.to_dict() == {
        "place_id": [1],
        "home_id": [2],
        "here__heat": [10.5],
        "home__heat": [20.5],
    }


def test_on_demand_features_are_computed_from_stored_ones(stores: Any, store: FeatureStore) -> None:
    view = place_view(stores, store)
    request = RequestSource(name="request", schema=[Field(name="more", dtype=Float64)])

    @on_demand_feature_view(sources=[view, request], schema=[Field(name="sum", dtype=Float64)])
    def heat_and_more(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"sum": inputs["heat"] + inputs["more"]})

    store.apply([heat_and_more])
    store.materialize(NOW - HOUR, NOW + HOUR)
    rows = [{"place_id": 1, "more": 1.0}, {"place_id": 2, "more": 2.0}]
    assert store.get_online_features(["heat_and_more:sum"], rows).to_dict()["sum"] == [11.5, 22.5]


def test_pushes_and_materializations_leave_the_newest_event_whatever_their_order(
    stores: Any, store: FeatureStore
) -> None:
    source = {"id": ["a", "b", "c"], "text": ["old a", "new b", "new c"]}
    frame = pd.DataFrame(source | {"event_timestamp": [NOW - HOUR, NOW, NOW]})
    frame.to_parquet(stores.source())
    stores.view(store, {"text": String}, {"id": String}, ttl=timedelta(minutes=5))

    def push(ids: list[str], texts: list[str], event: datetime) -> None:
        times = [event] * len(ids)
        pushed = pd.DataFrame({"id": ids, "text": texts, "event_timestamp": times})
        store.write_to_online_store("stats", pushed)

    def texts() -> list[str]:
        rows = [{"id": id} for id in "abc"]
        return list(store.get_online_features(["stats:text"], rows).to_dict()["text"])

    push(["a"], ["hi a"], NOW)
    push(["a", "b", "c"], ["late a", "late b", "late c"], NOW - HOUR)
    assert texts() == ["hi a", "late b", "late c"]
    push(["a"], ["newest a"], NOW + timedelta(seconds=1))
    store.materialize(NOW - 12 * HOUR, NOW + HOUR)
    assert texts() == ["newest a", "new b", "new c"]


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_of_two_pushes_of_one_event_time_the_later_is_served_whole(stores: Any, layout: str) -> None:
    store = stores.open(layout, engine={})
    rows = {"id": ["x"], "amount": [100.0], "hour": [5], "event_timestamp": [NOW]}
    pd.DataFrame(rows).to_parquet(stores.source())
    stores.view(store, {"amount": Float64, "hour": Int64}, {"id": String})
    names = ["stats:amount", "stats:hour"]

    def served() -> list[Any]:
        found = store.get_online_features(names, [{"id": "x"}]).to_dict()
        return [found["amount"][0], found["hour"][0]]

    store.materialize(NOW - HOUR, NOW + HOUR)
    assert served() == [100.0, 5]
    for amount, hour in ((50.0, 9), (None, 1), (7.0, 0)):
        pushed = pd.DataFrame({"id": ["x"], "amount": [amount], "hour": [hour], "event_timestamp": [NOW]})
        store.write_to_online_store("stats", pushed.astype({"amount": "float64"}))
        assert served() == [amount, hour]
    older = pd.DataFrame(rows | {"event_timestamp": [NOW - timedelta(milliseconds=1)]})
    store.write_to_online_store("stats", older)
    assert served() == [7.0, 0]


def test_push_is_no_obstacle_to_what_is_materialized_after_it(stores: Any) -> None:
    # More entities than the Arrow engine looks at for others' writes.
    store, ids = stores.open("stock", engine={}), [f"i{number}" for number in range(300)]
    source = pd.DataFrame({"id": ids, "a": 1, "event_timestamp": NOW - 2 * HOUR})
    source.to_parquet(stores.source())
    stores.view(store, {"a": Int64}, {"id": String})
    store.materialize(NOW - 12 * HOUR, NOW)
    pushed = pd.DataFrame({"id": ["i7"], "a": [-1], "event_timestamp": [NOW - 3 * HOUR / 2]})
    store.write_to_online_store("stats", pushed)
    assert store.get_online_features(["stats:a"], [{"id": "i7"}]).to_dict()["a"] == [-1]
    source.assign(a=999, event_timestamp=NOW - HOUR).to_parquet(stores.source())
    store.materialize(NOW - 12 * HOUR, NOW)
    assert (
        store.get_online_features(["stats:a"], [{"id": item} for item in ids]).to_dict()["a"] == [999] * 300
    )


@pytest.mark.parametrize("driver", ["cassandra-driver", "auto"])
@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_wide_views_are_read_whole_by_those_who_await_it(stores: Any, layout: str, driver: str) -> None:
    features, ids = [f"f{number}" for number in range(300)], [f"i{number}" for number in range(40)]
    store = stores.open(layout, engine={})
    frame = pd.DataFrame({"id": ids, "event_timestamp": NOW} | dict.fromkeys(features, 1))
    frame.to_parquet(stores.source())
    stores.view(store, dict.fromkeys(features, Int64), {"id": String})
    store.materialize(NOW - HOUR, NOW + HOUR)
    store._get_provider().online_store.driver = driver
    asked = [f"stats:{name}" for name in features], [{"id": item} for item in ids]
    store.get_online_features(*asked)
    found = asyncio.run(store.get_online_features_async(*asked)).to_dict()
    assert {name: sum(found[name]) for name in features} == dict.fromkeys(features, 40)


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_of_an_entitys_rows_in_one_push_the_latest_is_left(stores: Any, layout: str) -> None:
    store = stores.open(layout)
    rows = [
        ("event", NOW, 1.0, NOW),
        ("event", NOW - HOUR, 2.0, NOW),
        ("created", NOW, 3.0, NOW),
        ("created", NOW, 4.0, NOW - HOUR),
        ("created", NOW, 5.0, None),
        ("position", NOW, 6.0, NOW),
        ("position", NOW, 7.0, NOW),
    ]
    pushed = pd.DataFrame(rows, columns=["id", "event_timestamp", "heat", "created"])
    pushed.to_parquet(stores.source())
    stores.view(store, {"heat": Float64}, {"id": String}, created_timestamp_column="created")
    store.write_to_online_store("stats", pushed)
    asked = [{"id": id} for id in ("event", "created", "position")]
    assert store.get_online_features(["stats:heat"], asked).to_dict()["heat"] == [1.0, 3.0, 7.0]


def test_same_feature_name_in_two_views_is_told_apart_by_the_views(stores: Any, store: FeatureStore) -> None:
    for name, value in {"one": 1, "two": 2}.items():
        frame = pd.DataFrame({"id": ["x"], "a": [value], "event_timestamp": [NOW]})
        frame.to_parquet(stores.source(name))
        stores.view(store, {"a": Int64}, {"id": String}, name=name)
    store.materialize(NOW - HOUR, NOW + HOUR)
    answer = store.get_online_features(["one:a", "two:a"], [{"id": "x"}], full_feature_names=True)
    assert answer.to_dict() == {"id": ["x"], "one__a": [1], "two__a": [2]}


def test_repeated_entities_in_one_request_are_answered_each(stores: Any, store: FeatureStore) -> None:
    place_view(stores, store)
    store.materialize(NOW - HOUR, NOW + HOUR)
    rows = [{"place_id": id} for id in (2, 1, 2, 9, 1)]
    heats = store.get_online_features(["stats:heat"], rows).to_dict()["heat"]
    assert heats == [20.5, 10.5, 20.5, None, 10.5]


def test_entity_whose_type_is_not_stated_is_inferred_from_the_source(
    stores: Any, store: FeatureStore
) -> None:
    frame = pd.DataFrame({"id": [1, 2], "a": [1.5, 2.5], "event_timestamp": [NOW, NOW]})
    frame.to_parquet(stores.source())
    entity = Entity(name="one", join_keys=["id"], value_type=ValueType.UNKNOWN)
    source = FileSource(path=str(stores.source()), timestamp_field="event_timestamp")
    store.apply([entity, FeatureView(name="inferred", entities=[entity], source=source)])
    store.materialize(NOW - HOUR, NOW + HOUR)
    answer = store.get_online_features(["inferred:a"], [{"id": 2}, {"id": 1}]).to_dict()
    assert answer == {"id": [2, 1], "a": [2.5, 1.5]}
