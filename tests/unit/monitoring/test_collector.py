"""What is shown of a state is what the state says, under the names that are declared."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from poc.materialization.records import Attempts
from poc.monitoring.metrics import STATE
from poc.monitoring.state import State, StateWatch, ViewState

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


def shown(state: State | None) -> dict[tuple[str, frozenset[str]], float]:
    """What a scrape gives: by name and the labels' values."""
    registry = CollectorRegistry()
    watch = StateWatch(lambda: None, interval_seconds=1)
    watch.state = state
    registry.register(watch)
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_every_declared_metric_is_shown_and_no_other(state: State) -> None:
    assert {name for name, _ in shown(state)} == {metric.name for metric in STATE}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feature_view_ttl_seconds", 30 * 86_400),
        ("feature_view_materialized_until_timestamp_seconds", (NOON - timedelta(minutes=2)).timestamp()),
        ("feature_view_newest_event_timestamp_seconds", (NOON - timedelta(hours=3)).timestamp()),
        ("materialization_duration_seconds", 5),
        ("materialization_write_duration_seconds", 2.5),
        ("materialization_rows", 9_997),
        ("materialization_last_attempt_timestamp_seconds", NOON.timestamp() + 10),
        ("materialization_last_success_timestamp_seconds", NOON.timestamp() - 60),
        ("materialization_last_failure_timestamp_seconds", NOON.timestamp()),
        ("materialization_running", 1),
        ("materialization_failures_in_a_row", 1),
    ],
)
def test_view_is_shown_in_base_units(state: State, name: str, value: float) -> None:
    assert shown(state)[name, frozenset(("cassandra", "transaction_features"))] == value


def test_sizes_are_told_apart_by_node_and_entities_are_not(state: State) -> None:
    table = ("ml_features", "transaction_features")
    found = shown(state)
    assert found["online_store_size_bytes", frozenset((*table, "127.0.0.1"))] == 2**20
    assert found["online_store_size_bytes", frozenset((*table, "127.0.0.2"))] == 2**21
    assert found["online_store_entities_estimate", frozenset(table)] == 9_997
    answers = {node: found["online_store_node_answers", frozenset((node,))] for node in state.nodes}
    assert answers == {"127.0.0.1": 1, "127.0.0.2": 1, "127.0.0.3": 0}


def test_several_views_are_told_apart(state: State) -> None:
    [view] = state.views
    cards = ViewState("card_features", timedelta(hours=1), None, Attempts())
    found = shown(replace(state, views=(view, cards)))
    assert found["feature_view_ttl_seconds", frozenset(("cassandra", "transaction_features"))] == 30 * 86_400
    assert found["feature_view_ttl_seconds", frozenset(("cassandra", "card_features"))] == 3600
    assert ("materialization_rows", frozenset(("cassandra", "card_features"))) not in found


def test_what_is_not_known_is_absent_and_not_zero(state: State) -> None:
    never = ViewState("transaction_features", None, None, Attempts())
    unknown = replace(state, views=(never,), size_bytes={}, entities={})
    assert {name for name, _ in shown(unknown)} == {"online_store_node_answers"}


def test_before_the_first_read_nothing_is_shown() -> None:
    assert shown(None) == {}


def test_runs_before_attempts_were_recorded_count_as_successes(state: State) -> None:
    [view] = state.views
    old = replace(state, views=(replace(view, attempts=Attempts()),))
    key = ("materialization_last_success_timestamp_seconds", frozenset(("cassandra", "transaction_features")))
    assert shown(old)[key] == NOON.timestamp() - 60
