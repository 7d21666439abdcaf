"""The state of the online store for Prometheus: read in the background, shown at once as it was read last."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from poc.monitoring import metrics
from poc.monitoring.metrics import Metric
from poc.monitoring.state import State, StateReader, ViewState
from poc.online_store.errors import NoCassandra

log = logging.getLogger(__name__)


class StateCollector(Collector):
    """Shows the state that `state` returns; nothing while that is None."""

    def __init__(self, state: Callable[[], State | None]) -> None:
        self._state = state

    def describe(self) -> Iterable[Family]:
        """Name the families, which a registry asks for."""
        return [GaugeMetricFamily(metric.name, metric.meaning) for metric in metrics.STATE]

    def collect(self) -> Iterator[Family]:
        """Yield the families that have a value."""
        state = self._state()
        if state is None:
            return
        samples: dict[Metric, list[tuple[tuple[str, ...], float]]] = {
            metrics.SIZE: [*state.size_bytes.items()],
            metrics.ENTITIES: [*state.entities.items()],
            metrics.NODE_ANSWERS: [((node,), answered) for node, answered in state.nodes.items()],
        }
        for view in state.views:
            for metric, value in _of_view(view).items():
                if value is not None:
                    labels = (state.online_store, view.feature_view)
                    samples.setdefault(metric, []).append((labels, value))
        for metric, of_metric in samples.items():
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for sample in of_metric:
                family.add_metric(*sample)
            yield family


def _of_view(view: ViewState) -> dict[Metric, float | None]:
    run, attempts, failed = view.last_run, view.attempts, view.attempts.failed
    values: dict[Metric, float | None] = {
        metrics.TTL: None if view.ttl is None else view.ttl.total_seconds(),
        metrics.NEWEST_EVENT: _unix(attempts.newest_event),
        metrics.LAST_SUCCESS: _unix(view.last_success),
    }
    if run is not None:
        values |= {
            metrics.MATERIALIZED_UNTIL: _unix(run.reached),
            metrics.DURATION: (run.finished_at - run.started_at).total_seconds(),
            metrics.WRITE_DURATION: run.duration_seconds,
            metrics.ROWS: run.transactions,
        }
    if attempts.recent:
        values |= {
            metrics.LAST_ATTEMPT: _unix(attempts.recent[0].started_at),
            metrics.RUNNING: attempts.running is not None,
            metrics.FAILURES_IN_A_ROW: len(failed),
        }
    if failed:
        values[metrics.LAST_FAILURE] = _unix(failed[0].ended_at or failed[0].started_at)
    return values


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


class StateWatch:
    """Reads the state in a thread of its own, and waits `interval_seconds` between two reads.

    `opens` connects; what it raises is tried again at the next turn, but for NoCassandra: such a store has no
    state to show, and nothing is told of it. `on_read` is told when a read succeeded, in Unix time,
    `on_failure` that one failed.
    """

    def __init__(
        self,
        opens: Callable[[], StateReader],
        interval_seconds: float,
        on_read: Callable[[float], object] = lambda moment: None,
        on_failure: Callable[[], object] = lambda: None,
    ) -> None:
        self._opens, self._interval_seconds = opens, interval_seconds
        self._on_read, self._on_failure = on_read, on_failure
        self.state: State | None = None
        """What was read last; None before the first read. It stays when later reads fail."""
        self._reader: StateReader | None = None
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-watch", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and disconnect. Waits a moment for a read that is under way."""
        self._stopping.set()
        self._thread.join(timeout=2.0)
        if self._reader is not None:
            self._reader.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._read()
            self._stopping.wait(self._interval_seconds)

    def _read(self) -> None:
        try:
            if self._reader is None:
                self._reader = self._opens()
            self.state = self._reader.read()
        except NoCassandra:
            self._stopping.set()
        except Exception as error:  # Whatever it is: it is counted, and must not end the thread.
            self._on_failure()
            if not self._stopping.is_set() and str(error) != self._failure:
                self._failure = str(error)
                log.warning("The state of the online store cannot be read: %s", error)
        else:
            if self._failure is not None:
                log.info("The state of the online store is read again")
            self._failure = None
            self._on_read(time.time())
