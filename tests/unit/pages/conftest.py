"""Small results of every benchmark; a registry of this repository's features, made without a Cassandra."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from poc.pages.registry import registered_apart
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

Registered = Callable[[str], Iterator["FeatureStore"]]

MACHINE = {"cpu": "A processor", "cores": 2, "memory_gib": 8, "system": "Linux x86_64"}
META = {
    "time": "2026-01-02T03:04:05+00:00",
    "machine": MACHINE,
    "versions": {"feast": "0.38.0", "cassandra": "5.0.6", "acsylla": None},
}


@pytest.fixture
def documents() -> dict[str, Any]:
    """Small results of every benchmark; each target is met."""
    return {
        "comparison": comparison(),
        "materialization": {
            "meta": META | {"repeats": 3, "features": 8},
            "results": [
                materialized("stock", "cassandra-driver", 10_000, 50.0, 1.0),
                materialized("arrow-rows", "cassandra-driver", 10_000, 5.0, 10.0),
                materialized("arrow-rows", "acsylla", 10_000, 1.0, 50.0),
                materialized("arrow-stock-layout", "cassandra-driver", 10_000, 10.0, 5.0),
                materialized("arrow-stock-layout", "acsylla", 10_000, 4.0, 12.5),
                materialized("arrow-rows", "acsylla", 1_000_000, 100.0, None),
                materialized("arrow-rows", "cassandra-driver", 1_000_000, 500.0, None),
                materialized("arrow-rows-generation", "acsylla", 1_000_000, 105.0, None),
                materialized("arrow-rows-generation", "cassandra-driver", 1_000_000, 520.0, None),
            ],
            "left_out": [
                {
                    "method": "stock",
                    "driver": "cassandra-driver",
                    "rows": 1_000_000,
                    "would_take_minutes": 83.3,
                }
            ],
        },
        "serving": {
            "meta": META | {"seconds": 10, "concurrency": 8, "rounds": 3, "online_store": "cassandra"},
            "results": [served("feast", 1, 90.0), served("feast-rows", 1, 101.0), served("direct", 1, 100.0)],
            "ratios": [
                {"server": "feast", "workers": 1, "throughput": 0.9, "rounds": [0.87, 0.9, 1.0]},
                {"server": "feast-rows", "workers": 1, "throughput": 1.01, "rounds": [0.99, 1.01, 1.1]},
            ],
        },
        "rates": {
            "meta": META | {"seconds": 4, "p99_ms": 5.0, "past": 3.0, "online_store": "cassandra"},
            "results": [held("direct", 1, 500), held("feast-rows", 2, 700)],
        },
        "scoring": {
            "meta": META | {"rounds": 200, "rows_a_turn": 20, "threads": 1},
            "results": [
                scored("scikit-learn pipeline", None, 4.0),
                scored("ONNX Runtime, as served", 0.01, 0.04),
            ],
        },
        "registry": {
            "meta": META | {"rounds": 300},
            "results": [
                read("Feast's call, resolved", 1, 1.0, None),
                read("Feast's call, resolved", 200, 1.02, 1.02),
                read("Feast's call, provider local", 1, 3.0, None),
                read("Feast's call, provider local", 200, 90.0, 30.0),
            ],
        },
    }


def comparison() -> dict[str, Any]:
    ratios = {
        ("direct-cassandra-in", 10): 0.8,
        ("direct-cassandra-in", 100): 0.6,
        ("feast", 1): 1.2,
        ("feast", 10): 1.2,
        ("feast", 100): 1.2,
        ("feast-rows", 1): 1.05,
        ("feast-rows", 10): 0.85,
        ("feast-rows", 100): 0.65,
        ("feast-unresolved", 1): 3.5,
        ("feast-server", 1): 2.9,
    }
    names = ("direct-cassandra", *dict.fromkeys(name for name, _ in ratios))
    return {
        "meta": META
        | {"requests": 1000, "seed": 1, "consistency": "LOCAL_ONE", "baseline": "rows as tuples"},
        "methods": [{"name": name, "title": f"Title of {name}"} for name in names],
        "results": [timed(name, size) for size in (1, 10, 100) for name in names],
        "ratios": [
            {
                "method": name,
                "baseline": "direct-cassandra",
                "batch_size": size,
                "mean": value,
                "p50": value,
                "p50_ci95": [value - 0.01, value + 0.01],
                "p99": 1.2,
            }
            for (name, size), value in ratios.items()
        ],
        "curves": [
            {"method": name, "batch_size": size, "ms": [1 + step / 50 for step in range(101)]}
            for size in (1, 10, 100)
            for name in names
        ],
    }


def timed(name: str, size: int) -> dict[str, Any]:
    times = {"mean_ms": 2.0, "p50_ms": 2.0, "p95_ms": 2.9, "p99_ms": 2.98}
    return {"method": name, "batch_size": size, "requests": 1000} | times


def materialized(method: str, driver: str, rows: int, seconds: float, faster: float | None) -> dict[str, Any]:
    return {
        "method": method,
        "driver": driver,
        "rows": rows,
        "seconds": [seconds],
        "median_seconds": seconds,
        "rows_per_second": round(rows / seconds),
        "times_as_fast_as_stock": faster,
        "peak_mib": 440,
        "before_mib": 210,
    }


def served(server: str, workers: int, each_second: float) -> dict[str, Any]:
    times = {"p50_ms": 5.0, "p95_ms": 9.0, "p99_ms": 12.0}
    counted = {"requests_per_second": each_second, "rounds": [each_second] * 3, "errors": 0}
    return {"server": server, "workers": workers} | counted | times


def held(server: str, workers: int, rate: int) -> dict[str, Any]:
    past = {"past_rate": 3 * rate, "past_answered_per_second": rate, "past_shed_per_second": 2 * rate}
    more = {"past_p99_ms": 80.0, "past_other_errors": 0, "well_again_seconds": 0.003}
    return {"server": server, "workers": workers, "rate": rate, "p99_ms": 4.5} | past | more


def scored(title: str, ratio: float | None, ms: float) -> dict[str, Any]:
    return {
        "title": title,
        "ratio": ratio,
        "p50_ms": ms,
        "p99_ms": ms,
        "flips": 0,
        "rows": 10_000,
        "largest_difference": 9e-8,
    }


def read(title: str, views: int, ms: float, ratio: float | None) -> dict[str, Any]:
    return {
        "title": title,
        "views": views,
        "p50_ms": ms,
        "p99_ms": ms,
        "ratio": ratio,
        "ratio_ci95": None if ratio is None else [ratio, ratio],
    }


@pytest.fixture
def registered(root: Path, tmp_path: Path) -> Registered:
    """Applies features.py, with a text put in another's place, to a registry of its own; gives the store."""

    @contextmanager
    def register(old: str = "", new: str = "") -> Iterator["FeatureStore"]:
        text = (root / "feature_repo/features.py").read_text()
        assert old in text
        (tmp_path / "features.py").write_text(text.replace(old, new) if old else text)
        yaml = (root / "feature_repo/feature_store.yaml").read_text()
        (tmp_path / "feature_store.yaml").write_text(yaml)
        with registered_apart(Settings(feast_repo_path=tmp_path)) as store:
            yield store

    return register
