from collections.abc import Callable, Mapping

import numpy as np
import pytest

from poc.measurement.comparison import Comparison, Request, summarized
from poc.measurement.methods import Method

METHODS = (
    Method("direct-cassandra", "Direct Cassandra", "(!) Manual management", lambda keys: []),
    Method("feast", "Feast", "✅ Versioning, lineage, consistency", lambda keys: []),
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
def comparison() -> Callable[..., Comparison]:
    """Makes a comparison of latencies given in milliseconds: batch size -> (direct, feast)."""

    def make(latencies: Mapping[int, tuple[list[float], list[float]]], unknown: int = 0) -> Comparison:
        results = []
        for size, pair in latencies.items():
            taken = {
                method.name: (np.array(values) * 1e6).astype(np.int64)
                for method, values in zip(METHODS, pair, strict=True)
            }
            results.append(summarized(size, taken, seed=1))
        return Comparison(
            meta=META,
            request=Request(1000, tuple(latencies), 1),
            methods=METHODS,
            transactions=1000,
            unknown=unknown,
            features=8,
            results=tuple(results),
        )

    return make
