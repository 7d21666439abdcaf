"""Every metric of this project, declared once: the servers make them by this, and docs/metrics.md lists them.

Names follow Prometheus: base units, `_total` for what only grows, `_timestamp_seconds` for a moment.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: as Prometheus shows it.
        kind: of what type it is.
        meaning: what it tells, in one sentence.
        labels: what tells its series apart, without what Prometheus adds.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What one of it is."""
        if self.name.endswith("_timestamp_seconds"):
            return "Unix time, seconds"
        for unit in ("seconds", "bytes"):
            if self.name.removesuffix("_total").endswith(f"_{unit}"):
                return unit
        return "0 or 1" if self.name in _YES_OR_NO else "count"


SOURCE = ("source",)
FEATURE_FETCH_LATENCY = Metric(
    "feature_fetch_latency_seconds", "histogram", "Time to read the features of one request.", SOURCE
)
PREDICTION_LATENCY = Metric(
    "prediction_latency_seconds", "histogram", "Time to answer one prediction request.", SOURCE
)
PREDICTIONS = Metric(
    "predictions_total", "counter", "Transactions asked for, by what came of it.", (*SOURCE, "outcome")
)
STALE_FEATURES = Metric(
    "stale_features_served_total",
    "counter",
    "Transactions judged by features older than the view's ttl.",
    SOURCE,
)
NOT_MATERIALIZED = Metric(
    "features_not_materialized_total",
    "counter",
    "Requests that met an online store that was never filled.",
    SOURCE,
)
COMPONENT_READY = Metric(
    "component_ready",
    "gauge",
    "Whether a component can be used, as last known; of several processes the worst.",
    (*SOURCE, "component"),
)
STATE_LAST_READ = Metric(
    "state_last_read_timestamp_seconds",
    "gauge",
    "When the state of the online store was last read; 0 for never. Of several processes the oldest.",
    SOURCE,
)
STATE_READ_FAILURES = Metric(
    "state_read_failures_total", "counter", "Failed attempts to read the state of the online store.", SOURCE
)
SERVING = (
    FEATURE_FETCH_LATENCY,
    PREDICTION_LATENCY,
    PREDICTIONS,
    STALE_FEATURES,
    NOT_MATERIALIZED,
    COMPONENT_READY,
    STATE_LAST_READ,
    STATE_READ_FAILURES,
)

VIEW = ("online_store", "feature_view")
TTL = Metric(
    "feature_view_ttl_seconds",
    "gauge",
    "Age from which the view's values are stale; absent where they never are.",
    VIEW,
)
MATERIALIZED_UNTIL = Metric(
    "feature_view_materialized_until_timestamp_seconds",
    "gauge",
    "End, exclusive, of the newest interval that a finished run covered.",
    VIEW,
)
NEWEST_EVENT = Metric(
    "feature_view_newest_event_timestamp_seconds",
    "gauge",
    "Newest event time in what the last successful attempt covered.",
    VIEW,
)
DURATION = Metric(
    "materialization_duration_seconds",
    "gauge",
    "How long the last finished run took, from its begin to its last check.",
    VIEW,
)
WRITE_DURATION = Metric(
    "materialization_write_duration_seconds",
    "gauge",
    "Of that, the time that writing the online store took.",
    VIEW,
)
ROWS = Metric("materialization_rows", "gauge", "Entities that the last finished run wrote.", VIEW)
LAST_ATTEMPT = Metric(
    "materialization_last_attempt_timestamp_seconds", "gauge", "When the last attempt began.", VIEW
)
LAST_SUCCESS = Metric(
    "materialization_last_success_timestamp_seconds",
    "gauge",
    "When the last successful attempt ended, also one that found nothing new.",
    VIEW,
)
LAST_FAILURE = Metric(
    "materialization_last_failure_timestamp_seconds",
    "gauge",
    "When the last attempt that failed ended, or began where it was killed; absent after a success.",
    VIEW,
)
RUNNING = Metric(
    "materialization_running",
    "gauge",
    "Whether an attempt has begun and not ended, as far as is known.",
    VIEW,
)
FAILURES_IN_A_ROW = Metric(
    "materialization_failures_in_a_row",
    "gauge",
    "Attempts that failed since the last one that succeeded, counted up to 50.",
    VIEW,
)
TABLE = ("keyspace", "table")
SIZE = Metric(
    "online_store_size_bytes",
    "gauge",
    "Disk space of a table on one node, as Cassandra tells it: in whole MiB, rounded up, without what is"
    " still in memory.",
    (*TABLE, "node"),
)
ENTITIES = Metric(
    "online_store_entities_estimate",
    "gauge",
    "Entities in a table, copies not counted: exact below 1,000, else from a sample that is 3 % off (one"
    " standard error).",
    TABLE,
)
NODE_ANSWERS = Metric(
    "online_store_node_answers",
    "gauge",
    "Whether a node of the server's datacenter told its sizes when it was last asked.",
    ("node",),
)
STATE = (
    TTL,
    MATERIALIZED_UNTIL,
    NEWEST_EVENT,
    DURATION,
    WRITE_DURATION,
    ROWS,
    LAST_ATTEMPT,
    LAST_SUCCESS,
    LAST_FAILURE,
    RUNNING,
    FAILURES_IN_A_ROW,
    SIZE,
    ENTITIES,
    NODE_ANSWERS,
)

_YES_OR_NO = frozenset(item.name for item in (COMPONENT_READY, RUNNING, NODE_ANSWERS))
