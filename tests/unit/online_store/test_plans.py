"""The plans of the resolved call follow the registry, and no request waits for it."""

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
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
    RepoConfig,
    RequestSource,
    ValueType,
)
from feast.errors import FeatureViewNotFoundException
from feast.on_demand_feature_view import on_demand_feature_view
from feast.online_response import OnlineResponse
from feast.types import Int64, String

from poc.online_store import plans, provider
from poc.online_store.errors import FeastNotSupported
from poc.online_store.plans import Plans
from poc.online_store.response import ResolvedResponse

pytestmark = pytest.mark.filterwarnings(
    "ignore:The FeatureService object that", "ignore:On demand feature view is"
)

RESOLVING = "poc.online_store.provider.ResolvingProvider"
NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
SLOW_SECONDS = 3.0


class Repository:
    """Feature stores on one registry and one SQLite; each knows the registry as a process would."""

    def __init__(self, folder: Path, registry: dict[str, Any]) -> None:
        self.folder, self.registry = folder, registry
        self.entity = Entity(name="payment", join_keys=["id"], value_type=ValueType.STRING)

    def open(self, provider: str = RESOLVING, **registry: Any) -> FeatureStore:
        return FeatureStore(
            config=RepoConfig(
                project="poc",
                provider=provider,
                registry=self.registry | registry,
                online_store={"type": "sqlite", "path": str(self.folder / "online.db")},
                offline_store={"type": "file"},
                entity_key_serialization_version=2,
            )
        )

    def view(self, *features: str, name: str = "stats") -> FeatureView:
        return FeatureView(
            name=name,
            entities=[self.entity],
            ttl=timedelta(0),
            schema=[Field(name="id", dtype=String), *(Field(name=item, dtype=Int64) for item in features)],
            source=FileSource(path="/nowhere.parquet", timestamp_field="event_timestamp"),
        )

    def apply(self, store: FeatureStore, *views: FeatureView) -> None:
        store.apply([self.entity, *views])

    def push(self, store: FeatureStore, **values: int) -> None:
        frame = pd.DataFrame({"id": ["x"], "event_timestamp": [NOON], **{k: [v] for k, v in values.items()}})
        store.write_to_online_store("stats", frame)


@pytest.fixture(params=["file", "sql"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    if request.param == "file":
        return Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0})
    pool = pytest.importorskip("sqlalchemy.pool").SingletonThreadPool
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    # Feast writes within a transaction over a second connection, which SQLite refuses.
    engine = {"echo": False, "poolclass": pool}
    sql = {"registry_type": "sql", "path": url, "cache_ttl_seconds": 0, "sqlalchemy_config_kwargs": engine}
    return Repository(tmp_path, sql)


def read(store: FeatureStore, *features: str) -> dict[str, Any]:
    answer = store.get_online_features([f"stats:{name}" for name in features], [{"id": "x"}])
    assert isinstance(answer, ResolvedResponse)
    found: dict[str, Any] = answer.to_dict()
    return {name: found[name][0] for name in features}


def plans_of(store: FeatureStore) -> Plans:
    found: Plans = store._get_provider().plans
    return found


def within(seconds: float, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def knows(store: FeatureStore, feature: str) -> bool:
    try:
        read(store, feature)
    except KeyError:
        return False
    return True


def test_apply_of_this_process_takes_effect_at_once(repository: Repository) -> None:
    store = repository.open()
    repository.apply(store, repository.view("a", "b"))
    store.refresh_registry()
    repository.push(store, a=1, b=2)
    assert read(store, "a", "b") == {"a": 1, "b": 2}
    repository.apply(store, repository.view("a", "c"))
    # A registry in a database is shown by Feast once it is read anew.
    store.refresh_registry()
    assert read(store, "a", "c") == {"a": 1, "c": None}
    with pytest.raises(KeyError):
        read(store, "b")
    store.delete_feature_view("stats")
    store.refresh_registry()
    with pytest.raises(FeatureViewNotFoundException):
        read(store, "a")


def test_apply_of_this_process_needs_no_refresh_of_a_file(tmp_path: Path) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 600})
    store = repository.open()
    repository.apply(store, repository.view("a"))
    repository.push(store, a=1)
    assert read(store, "a") == {"a": 1}
    repository.apply(store, repository.view("a", "b"))
    assert read(store, "a", "b") == {"a": 1, "b": None}


def test_apply_of_another_process_is_seen_within_the_caches_life(repository: Repository) -> None:
    other = repository.open()
    repository.apply(other, repository.view("a"))
    store = repository.open(cache_ttl_seconds=1)
    assert read(store, "a") == {"a": None}
    repository.apply(other, repository.view("a", "b"))
    within(60, lambda: knows(store, "b"))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_process_that_is_forked_goes_on_following_the_registry(tmp_path: Path) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 1})
    store = repository.open()
    repository.apply(store, repository.view("a"))
    repository.push(store, a=1)
    read(store, "a")
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            read(store, "a")
            os.write(tell, " ".join(thread.name for thread in threading.enumerate()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(tell)
    assert "registry-refresh" in os.read(told, 1000).decode()


def test_no_request_waits_for_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 1})
    store = repository.open()
    repository.apply(store, repository.view("a"))
    read(store, "a")
    files = store._registry._registry_store
    get, asked = files.get_registry_proto, threading.Event()

    def slowly() -> Any:
        asked.set()
        time.sleep(SLOW_SECONDS)
        return get()

    monkeypatch.setattr(files, "get_registry_proto", slowly)
    assert asked.wait(5)
    longest, until = 0.0, time.monotonic() + SLOW_SECONDS / 2
    while time.monotonic() < until:
        start = time.monotonic()
        read(store, "a")
        longest = max(longest, time.monotonic() - start)
    assert longest < SLOW_SECONDS / 2


def test_state_that_takes_the_place_is_planned_before_it_is_shown(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository.open()
    repository.apply(other, repository.view("a"))
    store = repository.open()
    read(store, "a")
    repository.apply(other, repository.view("a", "b"))
    plans_of(store).refresh(store)
    monkeypatch.setattr(plans, "resolve", None)
    assert read(store, "a") == {"a": None}


def test_registry_that_is_the_same_keeps_its_plans(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = repository.open()
    repository.apply(store, repository.view("a"))
    store.refresh_registry()
    read(store, "a")
    monkeypatch.setattr(plans, "resolve", None)
    plans_of(store).refresh(store)
    assert read(store, "a") == {"a": None}


def test_reading_the_registry_undoes_no_apply_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0})
    store = repository.open()
    repository.apply(store, repository.view("a"))
    read(store, "a")
    files = store._registry._registry_store
    get = files.get_registry_proto

    def before_an_apply() -> Any:
        found = get()
        monkeypatch.setattr(files, "get_registry_proto", get)
        repository.apply(store, repository.view("a", "b"))
        return found

    monkeypatch.setattr(files, "get_registry_proto", before_an_apply)
    # A lock of Feast's own is held while a file is read, and `apply` wants it.
    store._registry._refresh_lock = threading.RLock()
    plans_of(store).refresh(store)
    assert read(store, "a", "b") == {"a": None, "b": None}
    assert [view.name for view in repository.open().get_feature_view("stats").features] == ["a", "b"]


def test_service_that_is_changed_in_place_is_planned_anew(repository: Repository) -> None:
    store = repository.open()
    view = repository.view("a", "b")
    service = FeatureService(name="both", features=[view])
    store.apply([repository.entity, view, service])
    store.refresh_registry()
    repository.push(store, a=1, b=2)
    fetched = store.get_feature_service("both")
    rows = [{"id": "x"}]
    assert store.get_online_features(fetched, rows).to_dict() == {"id": ["x"], "a": [1], "b": [2]}
    renamed = fetched.feature_view_projections[0]
    renamed.join_key_map = {"id": "payment_id"}
    other = store.get_online_features(fetched, [{"payment_id": "x"}])
    assert other.to_dict() == {"payment_id": ["x"], "a": [1], "b": [2]}
    again = store.get_online_features(store.get_feature_service("both"), rows)
    assert again.to_dict() == {"id": ["x"], "a": [1], "b": [2]}


def test_service_older_than_the_registrys_is_answered_or_refused_as_feast_does(
    repository: Repository,
) -> None:
    store, feasts = repository.open(), repository.open("local")
    view = repository.view("a", "b")
    store.apply([repository.entity, view, FeatureService(name="some", features=[view])])
    store.refresh_registry()
    held, rows = store.get_feature_service("some"), [{"id": "x"}]
    assert set(store.get_online_features(held, rows).to_dict()) == {"id", "a", "b"}
    store.apply([FeatureService(name="some", features=[view[["b"]]])])
    for asked in (store, feasts):
        asked.refresh_registry()
        # Which features are meant, Feast asks the registry.
        assert set(asked.get_online_features(held, rows).to_dict()) == {"id", "b"}
    held = store.get_feature_service("some")
    store.apply([FeatureService(name="some", features=[view[["a"]]])])
    for asked in (store, feasts):
        asked.refresh_registry()
        with pytest.raises(KeyError, match="Feature a not found in projection stats"):
            asked.get_online_features(held, rows)


def test_threads_are_answered_by_one_state_or_the_other_while_another_applies(tmp_path: Path) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0})
    store = repository.open()
    repository.apply(store, repository.view("a"))
    repository.push(store, a=1)
    done, failures = threading.Event(), list[BaseException]()

    def call() -> None:
        try:
            while not done.is_set():
                assert read(store, "a") == {"a": 1}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    other = repository.open()
    for number in range(6):
        repository.apply(other, repository.view("a", f"b{number}"))
        plans_of(store).refresh(store)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert read(store, "b5") == {"b5": None}


def test_plans_are_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_PLANS", 3)
    store = repository.open()
    repository.apply(store, repository.view(*"abcdefgh"))
    store.refresh_registry()
    for name in "abcdefgh":
        read(store, name)
    kept = plans_of(store)._state
    assert kept is not None
    assert len(kept.plans) <= 3


def test_on_demand_views_are_feasts_to_answer(tmp_path: Path) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0})
    store = repository.open()
    view = repository.view("a")
    request = RequestSource(name="request", schema=[Field(name="more", dtype=Int64)])

    @on_demand_feature_view(sources=[view, request], schema=[Field(name="sum", dtype=Int64)])
    def a_and_more(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"sum": inputs["a"] + inputs["more"]})

    store.apply([repository.entity, view, a_and_more])
    repository.push(store, a=1)
    answer = store.get_online_features(["stats:a", "a_and_more:sum"], [{"id": "x", "more": 2}])
    assert type(answer) is OnlineResponse
    assert answer.to_dict() == {"id": ["x"], "a": [1], "sum": [3]}
    # One that is not asked for takes nothing from the others.
    beside = store.get_online_features(["stats:a"], [{"id": "x"}])
    assert type(beside) is ResolvedResponse
    assert beside.to_dict() == {"id": ["x"], "a": [1]}


@pytest.mark.parametrize("features", [("stats:a",), {"stats:a"}, "stats:a", [], None, [["stats:a"]]])
def test_what_are_no_features_are_refused_as_feast_does(tmp_path: Path, features: Any) -> None:
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0})
    store, feasts = repository.open(), repository.open("local")
    repository.apply(store, repository.view("a"))
    feasts.refresh_registry()
    read(store, "a")
    errors = []
    for asked in (store, feasts):
        with pytest.raises(Exception) as caught:
            asked.get_online_features(features, [{"id": "x"}])
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


def test_local_provider_is_left_to_feast(repository: Repository) -> None:
    store = repository.open("local")
    repository.apply(store, repository.view("a"))
    store.refresh_registry()
    repository.push(store, a=1)
    answer = store.get_online_features(["stats:a"], [{"id": "x"}])
    assert type(answer) is OnlineResponse
    assert answer.to_dict() == {"id": ["x"], "a": [1]}


def test_another_feast_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "version", lambda _: "0.39.0")
    repository = Repository(tmp_path, {"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0})
    with pytest.raises(FeastNotSupported, match=r"written for feast 0\.38\.0, this is 0\.39\.0"):
        repository.open()._get_provider()
