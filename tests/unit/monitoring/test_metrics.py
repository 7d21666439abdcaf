"""Metrics are named and described as Prometheus asks for, and docs/metrics.md has all of them."""

import re

import pytest

from poc.monitoring.metrics import SERVING, STATE, Metric, metrics_page
from poc.serving.metrics import Metrics

ALL = (*SERVING, *STATE)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
class TestEveryMetric:
    def test_has_a_name_of_lower_case_words(self, metric: Metric) -> None:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", metric.name)

    def test_says_total_if_and_only_if_it_counts(self, metric: Metric) -> None:
        assert metric.name.endswith("_total") == (metric.kind == "counter")

    def test_is_in_base_units(self, metric: Metric) -> None:
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|mebibytes|percent)(_|$)", metric.name)

    def test_is_explained(self, metric: Metric) -> None:
        assert metric.meaning.endswith(".")
        assert f"| `{metric.name}` | {metric.kind} | {metric.unit} |" in metrics_page()


def test_names_are_given_once() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("feature_fetch_latency_seconds", "seconds"),
        ("predictions_total", "count"),
        ("component_ready", "0 or 1"),
        ("materialization_rows", "count"),
        ("online_store_size_bytes", "bytes"),
        ("state_last_read_timestamp_seconds", "Unix time, seconds"),
    ],
)
def test_unit_follows_from_the_name(name: str, unit: str) -> None:
    assert next(metric.unit for metric in ALL if metric.name == name) == unit


def test_server_makes_every_metric_that_is_declared() -> None:
    made = {family.name: family for family in Metrics("memory").registry.collect()}
    for metric in SERVING:
        family = made[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
