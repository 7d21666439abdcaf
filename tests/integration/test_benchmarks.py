"""The benchmarks on real parts, so small that only their plumbing is measured."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from own_sessions import apply_definitions
from ports import free_port
from small_model import register
from stored_features import environment, serving_settings

from poc.definitions import ServedFeatures
from poc.feature_store import open_feature_store
from poc.measurement import rates
from poc.measurement.materialization import Way, measure_materialization, measure_storage
from poc.measurement.one_materialization import write_sources
from poc.measurement.place import open_place
from poc.measurement.registry import measure_registry
from poc.measurement.scoring import measure_scoring
from poc.measurement.serving import measure_serving
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session
from poc.settings import Settings

NOW = datetime.now(timezone.utc).replace(microsecond=0)


@pytest.fixture
def settings(
    cassandra: ConnectionSettings,
    keyspace: str,
    tmp_path: Path,
    definitions: ServedFeatures,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """A project in a folder of its own, with generated records and the definitions applied."""
    monkeypatch.chdir(tmp_path)
    write_sources(definitions, 3000, tmp_path, NOW)
    made = serving_settings(tmp_path, cassandra, keyspace)
    apply_definitions(made)
    return made


def benchmark_keyspaces(session: Session) -> set[str]:
    rows = session.execute("SELECT keyspace_name FROM system_schema.keyspaces")
    return {row.keyspace_name for row in rows if row.keyspace_name.startswith("benchmark_")}


def test_materialization_is_measured_in_a_process_of_its_own_and_leaves_no_keyspace(
    settings: Settings, session: Session
) -> None:
    before = benchmark_keyspaces(session)
    way = Way("arrow-rows", "cassandra-driver")
    with open_place(settings) as place:
        found = measure_materialization(place, [200], chosen=[way], repeats=1)
    (result,) = found["results"]
    assert (result["method"], result["rows"], len(result["seconds"])) == ("arrow-rows", 200, 1)
    assert 50 < result["before_mib"] <= result["peak_mib"]
    assert benchmark_keyspaces(session) <= before


def test_registry_is_measured_for_every_read_and_number_of_views(
    settings: Settings, session: Session
) -> None:
    before = benchmark_keyspaces(session)
    with open_place(settings) as place:
        found = measure_registry(place, [1, 3], 5)
    assert [item["views"] for item in found["results"]] == [1, 3] * 2
    assert [item["ratio"] is None for item in found["results"]] == [True, False] * 2
    assert benchmark_keyspaces(session) <= before


def test_scoring_compares_decisions_on_every_labelled_row(settings: Settings) -> None:
    found = measure_scoring(settings, 5, lambda: None)
    assert [item["rows"] for item in found["results"]] == [3000] * 3
    assert [item["flips"] for item in found["results"]] == [0] * 3


@pytest.fixture
def to_serve(settings: Settings, definitions: ServedFeatures, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a project with a model and materialized features, in the environment of servers, too."""
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    register(settings, definitions)
    open_feature_store(settings).materialize(NOW - timedelta(days=30), NOW)
    return settings


def test_all_servers_are_measured_in_turns_without_errors(
    to_serve: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["direct", "feast", "feast-rows"]
    with open_place(to_serve) as place:
        found = measure_serving(place, seconds=1, concurrency=2, workers=[1], rounds=2)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("workers: 1, round")]
    assert [line.rpartition(": ")[2] for line in told] == [*order, *order[::-1]]
    assert {item["server"]: item["errors"] for item in found["results"]} == dict.fromkeys(order, 0)
    assert all(item["requests_per_second"] > 0 for item in found["results"])


@pytest.mark.alone
def test_each_server_sheds_what_is_past_its_rate_and_is_well_again(
    to_serve: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How the highest rate is found is for unit tests. Past it each of 40 connections asks again as soon as
    # it is answered, and 16 requests are let in.
    monkeypatch.setenv("MAX_CONCURRENT_REQUESTS", "16")
    monkeypatch.setattr(rates, "highest_rate", lambda ask: (50.0, ask(50.0)))
    monkeypatch.setattr(rates, "PAST", 1e4)
    with open_place(to_serve) as place:
        found = rates.measure_rates(place, seconds=2, workers=[1])
    assert [item["server"] for item in found["results"]] == ["direct", "feast", "feast-rows"]
    for item in found["results"]:
        assert item["past_shed_per_second"] > 0, item
        assert item["past_answered_per_second"] > 0, item
        assert item["past_other_errors"] == 0, item


def test_storage_is_measured_on_files_of_every_layout(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    found = measure_storage(settings, 5_000, free_port())
    sizes = {item["layout"]: item["bytes_per_entity"] for item in found["results"]}
    assert sizes["stock"] > sizes["rows"] > 20
    steps = ["Starting a Cassandra", "5,000 entities, layout rows", "5,000 entities, layout stock"]
    assert [line for line in capsys.readouterr().err.splitlines() if line in steps] == steps
