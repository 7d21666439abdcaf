import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from poc.errors import TooFewTransactions, UnequalConsistency, ValuesDiffer
from poc.measurement.comparison import BASELINE_READ, Request, rounded, run_comparison
from poc.measurement.core import Key, Method, Row
from poc.measurement.tables import of_size, sizes_of

KEYS: list[Key] = [(str(number),) for number in range(20)]


def echo(name: str, consistency: str = "LOCAL_ONE", wrong_after: int = 10**9) -> Method:
    reads = 0

    def read(keys: Sequence[Key]) -> list[Row | None]:
        nonlocal reads
        reads += 1
        value = 0 if reads <= wrong_after else 1
        return [{"x": value, "y": key[0]} if key in KEYS else None for key in keys]

    return Method(name, name, read, consistency)


def test_every_batch_size_is_measured_in_the_order_asked_for() -> None:
    found = run_comparison((echo("a"), echo("b")), KEYS, Request(30, (5, 1), 1), {})
    assert sizes_of(found) == [5, 1]
    assert [item["requests"] for item in found["results"] if item["method"] == "b"] == [30, 30]
    assert [(item["method"], item["batch_size"]) for item in found["ratios"]] == [("b", 5), ("b", 1)]


def test_way_that_is_measured_at_batches_only_has_no_numbers_of_single_reads() -> None:
    batches = replace(echo("b"), least_batch=2)
    found = run_comparison((echo("a"), batches), KEYS, Request(5, (1, 2), 1), {})
    assert [list(of_size(found["results"], size)) for size in (1, 2)] == [["a"], ["a", "b"]]
    assert [list(of_size(found["ratios"], size)) for size in (1, 2)] == [[], ["b"]]


def test_what_was_read_is_counted() -> None:
    found = run_comparison((echo("a"), echo("b")), [*KEYS, ("stranger",)], Request(5, (1,), 1), {})
    assert [found["meta"][name] for name in ("transactions", "unknown", "features")] == [20, 1, 2]


def test_progress_is_told_of_every_round_announced() -> None:
    request, told = Request(30, (1, 10), 1), []
    run_comparison((echo("a"), echo("b")), KEYS, request, {}, progress=lambda: told.append(1))
    assert len(told) == request.all_rounds


def test_value_that_changes_while_it_is_measured_ends_the_run() -> None:
    methods = (echo("a"), echo("b", wrong_after=20))
    with pytest.raises(ValuesDiffer, match="0 by a, 1 by b"):
        run_comparison(methods, KEYS, Request(100, (1,), 1), {})


def test_ways_at_different_consistency_are_not_compared() -> None:
    with pytest.raises(UnequalConsistency, match="a at LOCAL_ONE, b at LOCAL_QUORUM"):
        run_comparison((echo("a"), echo("b", "LOCAL_QUORUM")), KEYS, Request(1, (1,), 1), {})


def test_consistency_is_the_one_all_ways_read_at() -> None:
    methods = (echo("a", "LOCAL_QUORUM"), echo("b", "LOCAL_QUORUM"))
    found = run_comparison(methods, KEYS, Request(1, (1,), 1), {})
    assert found["meta"]["consistency"] == "LOCAL_QUORUM"


@pytest.mark.parametrize("keys", [KEYS, [*KEYS, *((f"stranger {number}",) for number in range(9))]])
def test_batch_larger_than_what_is_stored_is_refused(keys: list[Key]) -> None:
    with pytest.raises(TooFewTransactions, match=r"25 distinct transactions .* the 20 ") as caught:
        run_comparison((echo("a"), echo("b")), keys, Request(1, (1, 25), 1), {})
    assert caught.value.exit_status == 2


def test_pool_is_large_enough_for_the_largest_batch() -> None:
    assert [Request(1, sizes, 1).pool for sizes in ((1, 10), (10, 3000, 1))] == [1000, 3000]


def test_baseline_says_how_it_reads(comparison: Any) -> None:
    assert "tuple_factory" in comparison({1: ([1.0], [3.0])})["meta"]["baseline"]


def test_curve_is_the_percentiles_from_least_to_greatest(comparison: Any) -> None:
    latencies = [float(number) for number in range(1, 101)]
    first, _ = comparison({1: (latencies, latencies)})["curves"]
    assert first["ms"] == [1.0, *latencies]


def test_document_is_meta_results_and_ratios(comparison: Any) -> None:
    found = rounded(comparison({1: ([1.0] * 200, [3.0] * 200), 10: ([2.0] * 300, [3.0] * 300)}))
    assert json.loads(json.dumps(found)) == {
        "meta": {
            "time": "2026-01-02T03:04:05+00:00",
            "versions": {
                "feast": "0.38.0",
                "cassandra_driver": "3.30.1",
                "cassandra": "5.0.6",
                "python": "3.11.7",
                "acsylla": None,
            },
            "machine": {
                "cpu": "A processor",
                "cores": 2,
                "memory_gib": 8,
                "system": "Linux x86_64",
            },
            "requests": 1000,
            "seed": 1,
            "consistency": "LOCAL_ONE",
            "baseline": BASELINE_READ,
            "transactions": 1000,
            "unknown": 0,
            "features": 8,
        },
        "methods": [
            {"name": "direct-cassandra", "title": "Direct Cassandra"},
            {"name": "feast", "title": "Feast"},
        ],
        "results": [
            result("direct-cassandra", 1, 200, 1.0),
            result("feast", 1, 200, 3.0),
            result("direct-cassandra", 10, 300, 2.0),
            result("feast", 10, 300, 3.0),
        ],
        "ratios": [ratio(1, 3.0), ratio(10, 1.5)],
        "curves": [
            curve("direct-cassandra", 1, 1.0),
            curve("feast", 1, 3.0),
            curve("direct-cassandra", 10, 2.0),
            curve("feast", 10, 3.0),
        ],
    }


def result(method: str, batch_size: int, requests: int, ms: float) -> dict[str, object]:
    return {
        "method": method,
        "batch_size": batch_size,
        "requests": requests,
        "mean_ms": ms,
        "p50_ms": ms,
        "p95_ms": ms,
        "p99_ms": ms,
    }


def ratio(batch_size: int, value: float) -> dict[str, object]:
    return {
        "method": "feast",
        "baseline": "direct-cassandra",
        "batch_size": batch_size,
        "mean": value,
        "p50": value,
        "p50_ci95": [value, value],
        "p99": value,
    }


def curve(method: str, batch_size: int, ms: float) -> dict[str, object]:
    return {"method": method, "batch_size": batch_size, "ms": [ms] * 101}
