from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from poc.measurement.comparison import Request, run_comparison, summarized
from poc.measurement.core import Method

METHODS = (
    Method("direct-cassandra", "Direct Cassandra", lambda keys: [{"x": 1} for _ in keys]),
    Method("feast", "Feast", lambda keys: [{"x": 1} for _ in keys]),
)

META = {
    "time": "2026-01-02T03:04:05+00:00",
    "versions": {
        "feast": "0.38.0",
        "cassandra_driver": "3.30.1",
        "cassandra": "5.0.6",
        "python": "3.11.7",
        "acsylla": None,
    },
    "machine": {"cpu": "A processor", "cores": 2, "memory_gib": 8, "system": "Linux x86_64"},
}


@pytest.fixture
def comparison() -> Callable[..., dict[str, Any]]:
    """Makes a comparison of latencies given in milliseconds: batch size -> (direct, feast)."""

    def make(latencies: Mapping[int, tuple[list[float], list[float]]], unknown: int = 0) -> dict[str, Any]:
        taken = {
            size: {
                method.name: (np.array(values) * 1e6).astype(np.int64)
                for method, values in zip(METHODS, pair, strict=True)
            }
            for size, pair in latencies.items()
        }
        made = run_comparison(METHODS, [("a",)], Request(1000, (1,), 1), META)
        meta = made["meta"] | {"transactions": 1000, "unknown": unknown, "features": 8}
        return made | {"meta": meta} | summarized(taken, seed=1)

    return make
