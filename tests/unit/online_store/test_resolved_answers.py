"""The answers of the resolved call, next to Feast's own: one registry and one SQLite, two providers."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answers import comparable, looked_at, outcome
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Bool, Bytes, Float64, Int32, Int64, String, UnixTimestamp

from poc.online_store.response import ResolvedResponse

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
CARDS = ["cards:count", "cards:mean", "cards:name", "cards:known", "cards:seen", "cards:raw", "cards:all"]
SHOPS, WORLD = ["shops:count", "shops:mean"], ["world:rate"]

Asked = tuple[list[str] | str, Mapping[str, list[Any]], bool]


def view(name: str, entities: list[Entity], features: Mapping[str, Any]) -> FeatureView:
    fields = [Field(name=feature, dtype=dtype) for feature, dtype in features.items()]
    source = FileSource(path=f"/nowhere/{name}.parquet", timestamp_field="event_timestamp")
    return FeatureView(name=name, entities=entities, ttl=timedelta(0), schema=fields, source=source)


class Twins:
    """`ours` resolves the call, `feasts` is Feast's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours, self.feasts = self.open("poc.online_store.provider.ResolvingProvider"), self.open("local")
        card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.STRING)
        shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)
        simple = {"card_id": String, "count": Int64, "mean": Float64, "name": String, "known": Bool}
        other = {"seen": UnixTimestamp, "raw": Bytes, "all": Array(Int64)}
        cards = view("cards", [card], simple | other)
        shops = view("shops", [shop], {"shop_id": Int64, "count": Int64, "mean": Float64})
        world = view("world", [], {"rate": Float64})
        # Feast cannot compare a view that has a name of its own with one that has not.
        numbered = Entity(name="numbered", join_keys=["number"], value_type=ValueType.INT32)
        rooms = view("rooms", [numbered], {"number": Int32, "size": Int64})
        stores = shops.with_name("stores").with_join_key_map({"shop_id": "store"})
        services = [
            FeatureService(name="some", features=[cards[["mean", "count"]], world]),
            FeatureService(name="renamed", features=[stores]),
            FeatureService(name="twice", features=[stores, shops.with_name("shops_too")]),
        ]
        self.ours.apply([card, shop, numbered, cards, shops, world, rooms, *services])
        self.feasts.refresh_registry()
        self._write()

    def open(self, provider: str) -> FeatureStore:
        return FeatureStore(
            config=RepoConfig(
                project="poc",
                provider=provider,
                registry={"path": str(self.folder / "registry.db"), "cache_ttl_seconds": 0},
                online_store={"type": "sqlite", "path": str(self.folder / "online.db")},
                offline_store={"type": "file"},
                entity_key_serialization_version=2,
            )
        )

    def _write(self) -> None:
        cards = {
            "card_id": ["a", "b"],
            "count": [1, 2**62],
            "mean": [0.1, float("nan")],
            "name": ["", "Café"],
            "known": [False, True],
            "seen": [NOON, NOON + timedelta(seconds=1)],
            "raw": [b"", b"\x00\xff"],
            "all": [[1, 2], [3]],
            "event_timestamp": [NOON, NOON + timedelta(hours=1)],
        }
        shops = {"shop_id": [7, -8], "count": [3, 4], "mean": [0.5, 1.5], "event_timestamp": [NOON, NOON]}
        self.feasts.write_to_online_store("cards", pd.DataFrame(cards))
        self.feasts.write_to_online_store("shops", pd.DataFrame(shops))
        rooms = pd.DataFrame({"number": [4], "size": [44], "event_timestamp": [NOON]})
        self.feasts.write_to_online_store("rooms", rooms.astype({"number": "int32"}))
        world = pd.DataFrame({"__dummy_id": [""], "rate": [2.5], "event_timestamp": [NOON]})
        self.feasts.write_to_online_store("world", world)

    def ask(self, store: FeatureStore, asked: Asked) -> Any:
        features, values, full = asked
        named = store.get_feature_service(features) if isinstance(features, str) else features
        return store._get_online_features(named, dict(values), full)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return Twins(tmp_path_factory.mktemp("twins"))


PLAIN: dict[str, Asked] = {
    "one": (CARDS, {"card_id": ["a"]}, False),
    "some of them, in another order": (["cards:all", "cards:count"], {"card_id": ["b"]}, False),
    "unknown": (CARDS, {"card_id": ["nobody"]}, False),
    "repeated and unknown": (CARDS, {"card_id": ["b", "nobody", "a", "b"]}, False),
    "full names": (CARDS, {"card_id": ["a", "b"]}, True),
    "numbers as keys": (SHOPS, {"shop_id": [7, -8, 0, 2**63 - 1, -(2**63)]}, False),
    "two views, one name, full": (CARDS + SHOPS, {"card_id": ["a", "b"], "shop_id": [9, 7]}, True),
    "one feature of each": (["cards:name", "shops:mean"], {"card_id": ["a"], "shop_id": [7]}, False),
    "without entities": (["cards:count", *WORLD], {"card_id": ["a", "nobody"]}, False),
    "service": ("some", {"card_id": ["b", "a"]}, False),
    "service, full": ("some", {"card_id": ["b"]}, True),
    "renamed view and key": ("renamed", {"store": [7, 1]}, True),
    "a view twice": ("twice", {"shop_id": [7], "store": [-8]}, True),
}
# What is left to Feast, to answer or to refuse.
FEASTS: dict[str, Asked] = {
    "one name twice": (CARDS + SHOPS, {"card_id": ["a"], "shop_id": [7]}, False),
    "no such feature": (["cards:nothing"], {"card_id": ["a"]}, False),
    "no such view": (["nothing:count"], {"card_id": ["a"]}, False),
    "no key": (CARDS, {}, False),
    "another key": (CARDS, {"shop_id": [7]}, False),
    "no entity": (CARDS, {"card_id": []}, False),
    "a number where text is": (CARDS, {"card_id": [1]}, False),
    "text where a number is": (SHOPS, {"shop_id": ["7"]}, False),
    "numpy's number": (SHOPS, {"shop_id": [np.int64(7)]}, False),
    "a truth": (SHOPS, {"shop_id": [True]}, False),
    "too large": (SHOPS, {"shop_id": [2**63]}, False),
    "too small": (SHOPS, {"shop_id": [-(2**63) - 1]}, False),
    "the second too large": (SHOPS, {"shop_id": [7, 2**63]}, False),
    "null": (CARDS, {"card_id": [None]}, False),
    "null among others": (CARDS, {"card_id": ["a", None]}, False),
    "empty": (CARDS, {"card_id": [""]}, False),
    "empty among others": (CARDS, {"card_id": ["a", ""]}, False),
    "lists of other lengths": (["cards:name", "shops:mean"], {"card_id": ["a"], "shop_id": [7, -8]}, False),
    "not a list": (CARDS, {"card_id": ("a",)}, False),
    "one key more": (CARDS, {"card_id": ["a"], "more": [1]}, False),
}


@pytest.mark.parametrize("asked", PLAIN.values(), ids=list(PLAIN))
def test_plain_call_is_resolved_and_says_what_feast_says(twins: Twins, asked: Asked) -> None:
    expected = looked_at(twins.ask(twins.feasts, asked))
    for _ in range(2):  # The plan is made by the first, and taken by the second.
        answer = twins.ask(twins.ours, asked)
        assert type(answer) is ResolvedResponse
        assert looked_at(answer) == expected


@pytest.mark.parametrize("asked", FEASTS.values(), ids=list(FEASTS))
def test_other_call_is_answered_or_refused_as_by_feast(twins: Twins, asked: Asked) -> None:
    expected = outcome(lambda: twins.ask(twins.feasts, asked), looked_at)
    answer = outcome(lambda: twins.ask(twins.ours, asked), lambda found: (type(found), looked_at(found)))
    assert answer[0] is not ResolvedResponse
    assert answer == expected or answer[1] == expected


def test_int32_key_is_found_by_another_name_too(twins: Twins) -> None:
    # Feast takes it for an Int64 then, and finds nothing.
    renamed = twins.ours.get_feature_view("rooms").with_join_key_map({"number": "door"})
    twins.ours.apply([FeatureService(name="doors", features=[renamed])])
    found = twins.ask(twins.ours, ("doors", {"door": [4, 5]}, False))
    assert found.to_dict() == {"door": [4, 5], "size": [44, None]}


def test_columns_come_in_the_order_of_the_call(twins: Twins) -> None:
    asked = (["cards:name", "shops:mean", "cards:count"], {"shop_id": [7], "card_id": ["a"]}, False)
    found = twins.ask(twins.ours, asked).to_dict()
    assert list(found)[:2] == ["shop_id", "card_id"]
    assert sorted(list(found)[2:]) == ["count", "mean", "name"]


def test_message_is_made_once(twins: Twins) -> None:
    answer = twins.ask(twins.ours, PLAIN["one"])
    assert answer.proto is answer.proto


def test_answer_is_not_what_a_caller_makes_of_the_question(twins: Twins) -> None:
    answer = twins.ask(twins.ours, PLAIN["one"])
    first = answer.to_dict()
    first["card_id"].append("mine")
    first["count"].append("mine")
    assert comparable(answer.to_dict()) == comparable(twins.ask(twins.feasts, PLAIN["one"]).to_dict())


def test_store_that_cannot_be_awaited_is_awaited_as_feast_does(twins: Twins) -> None:
    rows = [{"card_id": "a"}]
    outcomes = [
        outcome(lambda store=store: asyncio.run(store.get_online_features_async(CARDS, rows)), looked_at)
        for store in (twins.ours, twins.feasts)
    ]
    assert outcomes[0] == outcomes[1]
