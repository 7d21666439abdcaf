from typing import Any

import pytest

from poc.benchmarks.targets import all_targets


def verdicts(documents: Any) -> dict[str, str]:
    return {target.promise: target.verdict for target in all_targets(documents)}


def only_missed(documents: Any) -> list[str]:
    found = verdicts(documents)
    assert set(found.values()) <= {"✓ met", "✗ missed"}
    return [promise for promise, verdict in found.items() if verdict == "✗ missed"]


def test_target_is_met_only_by_a_measurement(documents: Any) -> None:
    assert set(verdicts(documents).values()) == {"✓ met"}
    assert set(verdicts({}).values()) == {"not measured"}


@pytest.mark.parametrize("name", ["comparison", "materialization", "serving", "scoring", "registry"])
def test_targets_of_a_benchmark_without_results_are_not_measured(documents: Any, name: str) -> None:
    del documents[name]
    assert set(verdicts(documents).values()) == {"✓ met", "not measured"}


def reads(documents: Any, method: str, size: int) -> Any:
    ratios = documents["comparison"]["ratios"]
    return next(item for item in ratios if (item["method"], item["batch_size"]) == (method, size))


def test_slow_call_misses_its_target(documents: Any) -> None:
    reads(documents, "feast", 10)["p50"] = 1.31
    assert only_missed(documents) == ["`feast` at n=10: P50 at most 1.30 of `direct-cassandra`"]


@pytest.mark.parametrize(("statistic", "value", "said"), [("mean", 1.121, "mean"), ("p99", 1.31, "P99")])
def test_mean_median_and_p99_are_judged_by_themselves(
    documents: Any, statistic: str, value: float, said: str
) -> None:
    reads(documents, "feast-rows", 1)[statistic] = value
    assert [promise.split()[2] for promise in only_missed(documents)] == ["n=1:"]
    assert said in only_missed(documents)[0]


def test_row_store_is_judged_by_its_ratio_to_as_many_keys_a_statement(documents: Any) -> None:
    reads(documents, "direct-cassandra-in", 100)["p50"] = 0.5
    assert only_missed(documents) == ["`feast-rows` at n=100: P50 at most 1.15 of `direct-cassandra-in`"]


def test_resolved_call_is_judged_at_two_hundred_views(documents: Any) -> None:
    documents["registry"]["results"][1]["ratio"] = 1.06
    assert only_missed(documents) == [
        "resolved call: a read with 200 views in the registry at most 1.05 of one with 1"
    ]


def test_memory_and_linear_time_of_many_rows_are_judged_apart(documents: Any) -> None:
    many = documents["materialization"]["results"][-2]
    many["peak_mib"] = 600
    assert [promise.rpartition(": ")[2] for promise in only_missed(documents)] == [
        "peak memory under 600 MiB"
    ]
    many |= {"peak_mib": 599, "rows_per_second": 7_900}
    assert [promise.rpartition(": ")[2] for promise in only_missed(documents)] == [
        "linear, at least 0.8 of the rows/s at 10,000"
    ]


def test_server_is_judged_for_each_number_of_workers_and_by_its_layout(documents: Any) -> None:
    documents["serving"]["ratios"] += [
        {"server": "feast", "workers": 2, "throughput": 0.87, "rounds": [0.87]},
        {"server": "feast-rows", "workers": 2, "throughput": 0.99, "rounds": [0.99]},
    ]
    assert only_missed(documents) == [
        "server `feast`, 2 workers: at least 0.88 of the direct server's predictions a second",
        "server `feast-rows`, 2 workers: at least 1.00 of the direct server's predictions a second",
    ]


def test_one_flipped_decision_misses_the_target(documents: Any) -> None:
    documents["scoring"]["results"][1]["flips"] = 1
    assert only_missed(documents) == ["no decision flipped by ONNX"]
