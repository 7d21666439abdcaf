"""What Prometheus sees of one server. Each app has a registry of its own; nothing is registered globally.

A server of several processes shows their sums: each writes its numbers to files in a folder they share,
which is prometheus_client's way, chosen by a variable when it is imported. What is no number of one process,
such as the state of the online store, each shows as it last read it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import prometheus_client as prometheus
from prometheus_client import values
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from poc.errors import InvalidSettings
from poc.monitoring import metrics as declared
from poc.monitoring.metrics import Metric
from poc.serving.problems import listed_problem_types

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_WORKER = ".worker"

# Seconds. A prepared read takes 1 ms and a model's answer 0.05 ms: the client's defaults begin at 5 ms.
BUCKETS = (
    0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip

KINDS: dict[str, Callable[..., Any]] = {
    "counter": prometheus.Counter,
    # Of several processes the worst counts: the one that is not ready, the one that read longest ago.
    "gauge": partial(prometheus.Gauge, multiprocess_mode="livemin"),
    "histogram": partial(prometheus.Histogram, buckets=BUCKETS),
}
FRAUD = "fraud"
LEGITIMATE = "legitimate"


class Metrics:
    """The metrics of one server, told apart by the label `source`, the name of its feature source.

    `registry` holds those of this process. Latencies are in seconds, and those of failures count as well;
    not of requests that were sent away unread.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.registry = prometheus.CollectorRegistry(auto_describe=True)
        folder = os.environ.get(SHARED_FOLDER)
        self._shared = None if folder is None else Path(folder)
        # Not of one process, and so added to the sums of all.
        self._common: list[Collector] = [prometheus.PlatformCollector(registry=self.registry)]
        if self._shared is None:
            prometheus.ProcessCollector(registry=self.registry)
        else:
            _note(self._shared, os.getpid()).touch()
            self._common.append(WorkerProcesses(self._shared))
        made: dict[Metric, Any] = {
            item: KINDS[item.kind](item.name, item.meaning, item.labels, registry=self.registry)
            for item in declared.SERVING
        }
        self.feature_fetch_latency = made[declared.FEATURE_FETCH_LATENCY].labels(source)
        self.prediction_latency = made[declared.PREDICTION_LATENCY].labels(source)
        self.stale_features = made[declared.STALE_FEATURES].labels(source)
        self.not_materialized = made[declared.NOT_MATERIALIZED].labels(source)
        self._predictions, self._ready = made[declared.PREDICTIONS], made[declared.COMPONENT_READY]
        self._state_last_read = made[declared.STATE_LAST_READ]
        self._state_read_failures = made[declared.STATE_READ_FAILURES]
        # Shown before the first of them: Prometheus takes the first value it sees for no change.
        for outcome in (FRAUD, LEGITIMATE, *(kind.outcome for kind in listed_problem_types().values())):
            self.count(outcome, 0)

    def text(self) -> bytes:
        """Return all in Prometheus's text format, of every process that shares the server's folder."""
        if self._shared is None:
            return prometheus.generate_latest(self.registry)
        together = prometheus.CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        for collector in self._common:
            together.register(collector)
        return prometheus.generate_latest(together)

    def count(self, outcome: str, transactions: int = 1) -> None:
        """Count `transactions` asked for that ended as `outcome`."""
        self._predictions.labels(self._source, outcome).inc(transactions)

    def set_ready(self, component: str, ready: bool) -> None:
        """Note whether `component` can be used."""
        self._ready.labels(self._source, component).set(ready)

    def show_state(self, collector: Collector) -> None:
        """Show also what `collector` gives, the state of the online store."""
        self.registry.register(collector)
        self._common.append(collector)

    def state_was_read(self, moment: float) -> None:
        """Note when the state of the online store was read, in Unix time."""
        self._state_read_failures.labels(self._source)
        self._state_last_read.labels(self._source).set(moment)

    def state_was_not_read(self) -> None:
        """Count a failed read of it."""
        # Never read is 0, a long time ago: an absent value would raise no alert.
        self._state_last_read.labels(self._source)
        self._state_read_failures.labels(self._source).inc()


def refuse_shared_metrics() -> None:
    """Refuse a folder that somebody else names: what lies in it may be another run's, and would be counted.

    An empty variable names none, though prometheus_client would take it for one.

    Raises InvalidSettings: there is one.
    """
    folder = os.environ.get(SHARED_FOLDER)
    if folder:
        reason = f"{SHARED_FOLDER}={folder}: a server of several WORKERS makes its own, and takes no other"
        raise InvalidSettings([reason])
    if folder is not None:
        del os.environ[SHARED_FOLDER]
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


@contextmanager
def shared_metrics() -> Iterator[Callable[[int], None]]:
    """Let the processes that are started in the block share their metrics.

    Gives the function to tell of one that has ended: what it counted stays, its states are forgotten.
    """
    with TemporaryDirectory(prefix="prediction-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder

        def forget(pid: int) -> None:
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
            _note(Path(folder), pid).unlink(missing_ok=True)

        try:
            yield forget
        finally:
            del os.environ[SHARED_FOLDER]


class WorkerProcesses(Collector):
    """CPU, memory and open files of the processes noted in `folder`, with a label `pid` each. Linux only.

    prometheus_client leaves them out where there are several, for they cannot be summed; but a worker that
    grows must be seen.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Family]:
        """Return prometheus_client's families, each with a sample a worker."""
        families: dict[str, Family] = {}
        for pid in sorted(file.stem for file in self._folder.glob(f"*{_WORKER}")):
            for found in prometheus.ProcessCollector(pid=partial(str, pid), registry=None).collect():
                family = families.setdefault(found.name, Family(found.name, found.documentation, found.type))
                for sample in found.samples:
                    family.add_sample(sample.name, {**sample.labels, "pid": pid}, sample.value)
        return families.values()


def _note(folder: Path, pid: int) -> Path:
    """Return the file by which the workers that share `folder` know of the one with the id `pid`."""
    return folder / f"{pid}{_WORKER}"
