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


def test_slow_plan_misses_its_target(documents: Any) -> None:
    for item in documents["comparison"]["ratios"]:
        if (item["method"], item["batch_size"]) == ("feast-rows-resolved", 10):
            item["p50"] = 1.16
    assert only_missed(documents) == ["`feast-rows-resolved` at n=10: P50 at most 1.15 of `direct-cassandra`"]


def test_p99_is_judged_by_itself(documents: Any) -> None:
    for item in documents["comparison"]["ratios"]:
        if (item["method"], item["batch_size"]) == ("feast-rows-resolved", 1):
            item["p99"] = 1.31
    assert [promise for promise in only_missed(documents) if "P99" in promise] == only_missed(documents) != []


def test_row_store_is_judged_by_its_ratio_to_the_stock_store(documents: Any) -> None:
    for item in documents["comparison"]["ratios"]:
        if (item["method"], item["batch_size"]) == ("feast-stock", 1):
            item["p50"] = 2.5
    assert only_missed(documents) == ["`feast-rows` at n=1: P50 at most 0.85 of `feast-stock`"]


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


def test_server_is_judged_for_each_number_of_workers(documents: Any) -> None:
    documents["serving"]["ratios"].append(
        {"server": "feast", "workers": 2, "throughput": 0.94, "rounds": [0.94]}
    )
    assert only_missed(documents) == [
        "server `feast`, 2 workers: at least 0.95 of the direct server's predictions a second"
    ]


def test_one_flipped_decision_misses_the_target(documents: Any) -> None:
    documents["scoring"]["results"][1]["flips"] = 1
    assert only_missed(documents) == ["no decision flipped by ONNX"]
