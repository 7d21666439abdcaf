"""What Prometheus sees of one server. Each app has a registry of its own; nothing is registered globally.

A server of several processes shows their sums: each writes its numbers to files in a folder they share,
which is prometheus_client's way, chosen by a variable when it is imported.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Seconds. A prepared read takes 1 ms and a model's answer 0.05 ms: the client's defaults begin at 5 ms.
BUCKETS = (
    0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip

FRAUD = "fraud"
LEGITIMATE = "legitimate"
INVALID = "invalid"


class Metrics:
    """The metrics of one server.

    Args:
        source: name of its feature source, the label that tells servers apart.

    Attributes:
        registry: holds those of this process.
        feature_fetch_latency: seconds of each read of features, also of failed ones.
        prediction_latency: seconds of each prediction request from its turn to its end, also of failed ones.
        predictions: one for each transaction asked for, by what came of it.
        stale_features: transactions judged by values older than the view's ttl.
        not_materialized: requests that met a store that was never filled.
        ready: 1 for a component that can be used, else 0, as last known.
    """

    def __init__(self, source: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.feature_fetch_latency = Histogram(
            "feature_fetch_latency_seconds",
            "Time to read the features of one request.",
            ["source"],
            buckets=BUCKETS,
            registry=self.registry,
        ).labels(source)
        self.prediction_latency = Histogram(
            "prediction_latency_seconds",
            "Time to answer one prediction request.",
            ["source"],
            buckets=BUCKETS,
            registry=self.registry,
        ).labels(source)
        self._predictions = Counter(
            "predictions",
            "Transactions asked for, by what came of it.",
            ["source", "outcome"],
            registry=self.registry,
        )
        self.stale_features = Counter(
            "stale_features_served",
            "Transactions judged by features older than the view's ttl.",
            ["source"],
            registry=self.registry,
        ).labels(source)
        self.not_materialized = Counter(
            "features_not_materialized",
            "Requests that met an online store that was never filled.",
            ["source"],
            registry=self.registry,
        ).labels(source)
        self._ready = Gauge(
            "component_ready",
            "Whether a component can be used, as last known.",
            ["source", "component"],
            registry=self.registry,
            # Of several processes the worst counts.
            multiprocess_mode="livemin",
        )
        self._source = source
        for outcome in (FRAUD, LEGITIMATE, INVALID):
            self.count(outcome, 0)

    def text(self) -> bytes:
        """Give all of them in Prometheus's text format: of every process that shares the server's folder.

        Of several processes, CPU, memory and Python's version are left out: they are no one process's.
        """
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def count(self, outcome: str, transactions: int = 1) -> None:
        """Count `transactions` asked for that ended as `outcome`."""
        self._predictions.labels(self._source, outcome).inc(transactions)

    def set_ready(self, component: str, ready: bool) -> None:
        """Note whether `component` can be used."""
        self._ready.labels(self._source, component).set(ready)


@contextmanager
def shared_metrics() -> Iterator[Callable[[int], None]]:
    """Let the processes that are started in the block share their metrics.

    Gives the function to tell of one that has ended: what it counted stays, its states are forgotten.
    """
    with TemporaryDirectory(prefix="prediction-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield lambda pid: mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        finally:
            del os.environ[SHARED_FOLDER]
