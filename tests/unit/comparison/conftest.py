from collections.abc import Callable, Mapping
from datetime import datetime, timezone

import numpy as np
import pytest

from poc.comparison.comparison import Comparison, Request, summarized
from poc.comparison.machine import Machine, Versions
from poc.comparison.measure import Measurement
from poc.comparison.methods import Method

METHODS = (
    Method("direct-cassandra", "Direct Cassandra", "(!) Manual management", lambda keys: []),
    Method("feast", "Feast", "✅ Versioning, lineage, consistency", lambda keys: []),
)


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
            results.append(summarized(METHODS, Measurement(size, taken), seed=1))
        return Comparison(
            time=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone.utc),
            request=Request(1000, tuple(latencies), 1),
            methods=METHODS,
            consistency="LOCAL_ONE",
            machine=Machine("A processor", 2, 8, "Linux x86_64"),
            versions=Versions("0.38.0", "3.30.1", "5.0.6", "3.11.7", None),
            transactions=1000,
            unknown=unknown,
            features=8,
            results=tuple(results),
        )

    return make
