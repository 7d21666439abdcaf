import json
from typing import Any

from poc.comparison.methods import BASELINE_READ
from poc.comparison.report import document


def test_baseline_says_how_it_reads(comparison: Any) -> None:
    assert "tuple_factory" in document(comparison({1: ([1.0], [3.0])}))["meta"]["baseline"]


def test_curve_is_the_percentiles_from_least_to_greatest(comparison: Any) -> None:
    latencies = [float(number) for number in range(1, 101)]
    first, _ = document(comparison({1: (latencies, latencies)}))["curves"]
    assert first["ms"] == [1.0, *latencies]


def test_document_is_meta_results_and_ratios(comparison: Any) -> None:
    found = document(comparison({1: ([1.0] * 200, [3.0] * 200), 10: ([2.0] * 300, [3.0] * 300)}))
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
