"""docs/metrics.md: every metric of the servers, as it is declared."""

from collections.abc import Sequence

from poc.monitoring.declared import SERVING, STATE, Metric

_OPENING = """# Metrics

What `GET /metrics` of a server shows. Written by `python scripts/write_docs.py` from
`poc/monitoring/declared.py`, which the servers make them by. How to watch them: [monitoring](monitoring.md).
"""

_OF_A_SERVER = """
## Of a server

Each server counts for itself, `source` says through what it reads features: `feast`, `direct`,
`feature-server`. With `WORKERS` above 1 they are those of all its processes.
"""

_OF_THE_STATE = """
## Of the online store

Read from Cassandra in the background, every `METRICS_REFRESH_SECONDS`: a scrape shows what was read last,
also while Cassandra is down, and never waits for it. The servers with Feast and without tell the same: take
the `max` over them, and of what goes up and down only over those that have read lately, as the rules do
(`state_last_read_timestamp_seconds`). The one over a feature server has no connection to Cassandra, and tells
neither these nor how reading them goes.

What `scripts/feast_materialize.py` does is recorded in the tables `materializations` and
`materialization_attempts` of `DIRECT_KEYSPACE`. Runs of Feast's own command line are not.
"""

_OF_THE_PROCESS = """
## Of the process

`python_info`, and on Linux `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and `process_max_fds`, are
prometheus_client's. With `WORKERS` above 1 each process that answers has series of its own, labelled `pid`.
"""


def metrics_page() -> str:
    """Write the page."""
    return "".join((_OPENING, _OF_A_SERVER, _table(SERVING), _OF_THE_STATE, _table(STATE), _OF_THE_PROCESS))


def _table(metrics: Sequence[Metric]) -> str:
    rows = ["", "| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
    for item in metrics:
        labels = ", ".join(f"`{label}`" for label in item.labels)
        rows.append(f"| `{item.name}` | {item.kind} | {item.unit} | {labels} | {item.meaning} |")
    return "\n".join(rows) + "\n"
