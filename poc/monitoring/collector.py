"""The state of the online store in Prometheus's form, of what was read last. Reads nothing itself."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from poc.monitoring import declared
from poc.monitoring.declared import Metric
from poc.monitoring.state import State, ViewState


class StateCollector(Collector):
    """Shows the state that `state` gives; nothing while that is None."""

    def __init__(self, state: Callable[[], State | None]) -> None:
        self._state = state

    def describe(self) -> Iterable[Family]:
        """Name the families, which a registry asks for."""
        return [GaugeMetricFamily(metric.name, metric.meaning) for metric in declared.STATE]

    def collect(self) -> Iterator[Family]:
        """Give the families that have a value."""
        state = self._state()
        if state is None:
            return
        families: dict[Metric, GaugeMetricFamily] = {}
        for view in state.views:
            for metric, value in _of_view(view).items():
                if value is not None:
                    family = families.setdefault(metric, _family(metric))
                    family.add_metric((state.online_store, view.feature_view), value)
        yield from families.values()
        yield from _of_store(state)


def _of_view(view: ViewState) -> dict[Metric, float | None]:
    run, attempts, failed = view.last_run, view.attempts, view.attempts.failed
    values: dict[Metric, float | None] = {
        declared.TTL: None if view.ttl is None else view.ttl.total_seconds(),
        declared.NEWEST_EVENT: _unix(attempts.newest_event),
        declared.LAST_SUCCESS: _unix(view.last_success),
    }
    if run is not None:
        values |= {
            declared.MATERIALIZED_UNTIL: _unix(run.covered_until),
            declared.DURATION: (run.finished_at - run.started_at).total_seconds(),
            declared.WRITE_DURATION: run.duration_seconds,
            declared.ROWS: run.transactions,
        }
    if attempts.recent:
        values |= {
            declared.LAST_ATTEMPT: _unix(attempts.recent[0].started_at),
            declared.RUNNING: attempts.running is not None,
            declared.FAILURES_IN_A_ROW: len(failed),
        }
    if failed:
        values[declared.LAST_FAILURE] = _unix(failed[0].ended_at or failed[0].started_at)
    return values


def _of_store(state: State) -> Iterator[Family]:
    sizes, entities, answers = map(_family, (declared.SIZE, declared.ENTITIES, declared.NODE_ANSWERS))
    for size in state.sizes:
        sizes.add_metric((size.keyspace, size.table, size.node), size.size_bytes)
    for count in state.counts:
        entities.add_metric((count.keyspace, count.table), count.entities)
    for node, answered in state.nodes.items():
        answers.add_metric((node,), answered)
    yield from (sizes, entities, answers)


def _family(metric: Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
