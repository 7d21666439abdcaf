"""Every metric of this project, declared once: the servers make them by this, and docs/metrics.md lists them.

Names follow Prometheus: base units, `_total` for what only grows, `_timestamp_seconds` for a moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poc.output import markdown_table


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name as Prometheus shows it, and the labels without what Prometheus adds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...]

    @property
    def unit(self) -> str:
        """What one of it is."""
        if self.name.endswith("_timestamp_seconds"):
            return "Unix time, seconds"
        for unit in ("seconds", "bytes"):
            if self.name.removesuffix("_total").endswith(f"_{unit}"):
                return unit
        return "0 or 1" if self in (COMPONENT_READY, RUNNING, NODE_ANSWERS) else "count"


def _gauge(name: str, meaning: str, labels: tuple[str, ...] = ("online_store", "feature_view")) -> Metric:
    return Metric(name, "gauge", meaning, labels)


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "counter", meaning, ("source", *labels))


FEATURE_FETCH_LATENCY = Metric(
    "feature_fetch_latency_seconds", "histogram", "Time to read the features of one request.", ("source",)
)
PREDICTION_LATENCY = Metric(
    "prediction_latency_seconds", "histogram", "Time to answer one prediction request.", ("source",)
)
PREDICTIONS = _counter("predictions_total", "Transactions asked for, by what came of it.", "outcome")
STALE_FEATURES = _counter(
    "stale_features_served_total", "Transactions judged by features older than the view's ttl."
)
NOT_MATERIALIZED = _counter(
    "features_not_materialized_total", "Requests that met an online store that was never filled."
)
COMPONENT_READY = _gauge(
    "component_ready",
    "Whether a component can be used, as last known; of several processes the worst.",
    ("source", "component"),
)
STATE_LAST_READ = _gauge(
    "state_last_read_timestamp_seconds",
    "When the state of the online store was last read; 0 for never. Of several processes the oldest.",
    ("source",),
)
STATE_READ_FAILURES = _counter(
    "state_read_failures_total", "Failed attempts to read the state of the online store."
)

TTL = _gauge(
    "feature_view_ttl_seconds", "Age from which the view's values are stale; absent where they never are."
)
MATERIALIZED_UNTIL = _gauge(
    "feature_view_materialized_until_timestamp_seconds",
    "End, exclusive, of the newest interval that a finished run covered.",
)
NEWEST_EVENT = _gauge(
    "feature_view_newest_event_timestamp_seconds",
    "Newest event time in what the last successful attempt covered.",
)
DURATION = _gauge(
    "materialization_duration_seconds",
    "How long the last finished run took, from its begin to its last check.",
)
WRITE_DURATION = _gauge(
    "materialization_write_duration_seconds", "Of that, the time that writing the online store took."
)
ROWS = _gauge("materialization_rows", "Entities that the last finished run wrote.")
LAST_ATTEMPT = _gauge("materialization_last_attempt_timestamp_seconds", "When the last attempt began.")
LAST_SUCCESS = _gauge(
    "materialization_last_success_timestamp_seconds",
    "When the last successful attempt ended, also one that found nothing new.",
)
LAST_FAILURE = _gauge(
    "materialization_last_failure_timestamp_seconds",
    "When the last attempt that failed ended, or began where it was killed; absent after a success.",
)
RUNNING = _gauge("materialization_running", "Whether an attempt has begun and not ended, as far as is known.")
FAILURES_IN_A_ROW = _gauge(
    "materialization_failures_in_a_row",
    "Attempts that failed since the last one that succeeded, counted up to 50.",
)
SIZE = _gauge(
    "online_store_size_bytes",
    "Disk space of a table on one node, as Cassandra tells it: in whole MiB, rounded up, without what is"
    " still in memory.",
    ("keyspace", "table", "node"),
)
ENTITIES = _gauge(
    "online_store_entities_estimate",
    "Entities in a table, copies not counted: exact below 1,000, else from a sample that is 3 % off (one"
    " standard error).",
    ("keyspace", "table"),
)
NODE_ANSWERS = _gauge(
    "online_store_node_answers",
    "Whether a node of the server's datacenter answered when it was last asked for its sizes.",
    ("node",),
)

_DECLARED = [value for value in list(vars().values()) if isinstance(value, Metric)]
# A server's own say through what it reads features; the state of the online store is the same for all.
SERVING = tuple(metric for metric in _DECLARED if "source" in metric.labels)
STATE = tuple(metric for metric in _DECLARED if "source" not in metric.labels)

_PAGE = Path(__file__).with_name("metrics.md")


def metrics_page() -> str:
    """Write the page."""
    return _PAGE.read_text().format(serving=_table(SERVING), state=_table(STATE))


def _table(metrics: Sequence[Metric]) -> str:
    rows = []
    for item in metrics:
        labels = ", ".join(f"`{label}`" for label in item.labels)
        rows.append((f"`{item.name}`", item.kind, item.unit, labels, item.meaning))
    return "\n" + markdown_table(("metric", "type", "unit", "labels", "meaning"), rows) + "\n"
