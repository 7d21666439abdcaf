from dataclasses import replace
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from feast.types import Int32

from poc.definitions import JoinKey, ServedFeatures
from poc.errors import MethodsUnavailable
from poc.feature_store import open_feature_store
from poc.measurement.comparison import KNOWN, ON_REQUEST
from poc.measurement.place import (
    ARROW_ENGINE,
    RESOLVING_PROVIDER,
    ROW_STORE,
    chosen_methods,
    configuration,
    open_configuration,
    rows_configuration,
)
from poc.measurement.stores import joined_intervals
from poc.settings import Settings

ACSYLLA = tuple(name for name in KNOWN if "acsylla" in name)


def opened(root: Path, yaml: str) -> Any:
    repo = root / "feature_repo"
    return open_feature_store(
        Settings(_env_file=None, feast_repo_path=repo, feast_fs_yaml_file_path=repo / yaml)
    )


@pytest.fixture
def store(root: Path) -> Any:
    return opened(root, "feature_store.yaml")


@pytest.fixture
def rows(root: Path) -> Any:
    return opened(root, "stores/rows.yaml")


def test_all_ways_that_can_be_had_are_compared_without_names(store: Any) -> None:
    expected = [name for name in KNOWN if find_spec("acsylla") is not None or name not in ACSYLLA]
    assert list(chosen_methods(store, None)) == [name for name in expected if name not in ON_REQUEST]
    assert len(chosen_methods(store, None)) <= 6


def test_way_on_request_is_added_to_the_others(store: Any) -> None:
    assert set(chosen_methods(store, None, ["feast-server"])) == {
        *chosen_methods(store, None),
        "feast-server",
    }


def test_feature_server_is_compared_on_request(store: Any) -> None:
    assert chosen_methods(store, ("feast-server",)) == ("direct-cassandra", "feast-server")


def test_baseline_comes_first_whatever_is_named(store: Any) -> None:
    names = chosen_methods(store, ("feast-rows", "feast"))
    assert names == ("direct-cassandra", "feast", "feast-rows")


def test_project_on_the_row_store_has_one_feast_call(rows: Any) -> None:
    names = chosen_methods(rows, None)
    assert "feast" in names
    assert "feast-rows" not in names


def test_way_that_cannot_be_had_is_refused_with_its_reason(rows: Any, store: Any) -> None:
    with pytest.raises(MethodsUnavailable, match="feast-rows: the yaml names the row store") as caught:
        chosen_methods(rows, ("feast-rows",))
    assert caught.value.exit_status == 2
    local = open_configuration(configuration(store, provider="local"))
    with pytest.raises(MethodsUnavailable, match="feast-unresolved: the yaml names provider local"):
        chosen_methods(local, ("feast-unresolved",))


def test_way_that_finds_nothing_by_a_renamed_key_is_left_out(store: Any, definitions: ServedFeatures) -> None:
    [view] = definitions.views
    keyed = replace(view.definitions, join_keys=(JoinKey("account", Int32),))
    for name, compared in (("account", True), ("payer", False)):
        served = replace(definitions, views=(replace(view, definitions=keyed, request_keys=(name,)),))
        assert ("feast-unresolved" in chosen_methods(store, None, served=served)) is compared
    with pytest.raises(MethodsUnavailable, match="feast-unresolved: Feast guesses the type of payer"):
        chosen_methods(store, ("feast-unresolved",), served=served)


def test_way_whose_driver_is_not_installed_is_left_out_and_refused_by_name(
    rows: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poc.measurement.place.acsylla_is_installed", lambda: False)
    assert set(ACSYLLA).isdisjoint(chosen_methods(store, None))
    said = "direct-acsylla: acsylla is not installed: pip install acsylla"
    with pytest.raises(MethodsUnavailable, match=rf"{said}\b") as caught:
        chosen_methods(rows, ("direct-acsylla", "feast-rows"))
    assert "feast-rows: the yaml names the row store" in caught.value.what


def test_row_store_for_measurements_is_a_project_of_its_own_with_our_provider_and_engine(
    store: Any, tmp_path: Path
) -> None:
    local = open_configuration(configuration(store, provider="local", batch_engine={"type": "local"}))
    config = rows_configuration(local, tmp_path)
    assert (config.provider, config.batch_engine.type) == (RESOLVING_PROVIDER, ARROW_ENGINE)
    assert (config.online_store.type, config.project) == (ROW_STORE, f"{store.project}_measured")
    assert Path(config.registry.path).parent == tmp_path


def test_changed_store_is_of_the_same_repository(store: Any) -> None:
    assert Path(open_configuration(configuration(store)).repo_path) == Path(store.repo_path)


START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def hours(start: int, end: int) -> tuple[datetime, datetime]:
    return START + timedelta(hours=start), START + timedelta(hours=end)


def test_hourly_intervals_are_one() -> None:
    assert joined_intervals([hours(1, 2), hours(0, 1), hours(2, 3)]) == [hours(0, 3)]


def test_interval_within_another_adds_nothing() -> None:
    assert joined_intervals([hours(0, 9), hours(2, 3)]) == [hours(0, 9)]


def test_gap_between_intervals_stays() -> None:
    assert joined_intervals([hours(0, 1), hours(5, 6)]) == [hours(0, 1), hours(5, 6)]


def test_interval_of_another_time_zone_is_one_of_utc() -> None:
    start, end = hours(0, 1)
    [(first, last)] = joined_intervals([(start.astimezone(timezone(timedelta(hours=5))), end)])
    assert (first, last) == (start, end)
    assert first.utcoffset() == timedelta(0)


def test_naive_times_are_utc() -> None:
    start, end = hours(0, 1)
    assert joined_intervals([(start.replace(tzinfo=None), end)]) == [(start, end)]
