"""The state of the online store: how each view was filled, how large its tables are, which nodes answer.

Read from Cassandra, a handful of rows and a sample of keys, so that it may be asked every few seconds; in the
background, and shown to Prometheus at once as it was read last.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from poc.definitions import FeatureSet, applied_service
from poc.errors import FeaturesNotApplied
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.records import AttemptRecord, Attempts, MaterializationRecord, MaterializationRun
from poc.monitoring import metrics
from poc.monitoring.metrics import Metric
from poc.online_store.errors import NoCassandra
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import online_tables
from poc.online_store.naming import Table, direct_table_name
from poc.online_store.partitions import ask_nodes, estimate_partitions
from poc.online_store.session import open_session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)

# Other nodes are asked meanwhile; one that takes longer to tell its own sizes is in trouble.
NODE_TIMEOUT_SECONDS = 5.0
# Each node's own table: the one that is asked is the one that is meant.
_USAGE = "SELECT keyspace_name, table_name, mebibytes FROM system_views.disk_usage"


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is known of one feature view: the age from which its values are stale, and how it was filled."""

    feature_view: str
    ttl: timedelta | None
    last_run: MaterializationRun | None
    attempts: Attempts


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a service's feature views, each once, and the tables that hold them.

    Attributes:
        online_store: its type in Feast's configuration.
        entities: estimated number in each table of the views, by keyspace and table.
        size_bytes: what each table of the two keyspaces takes of the disk of each node that answered, rounded
            up to whole MiB; by keyspace, table and node. Empty where the user may not read them.
        nodes: whether each node of the servers' data centre answered.
    """

    online_store: str
    views: Sequence[ViewState]
    entities: Mapping[Table, int]
    size_bytes: Mapping[tuple[str, str, str], int]
    nodes: Mapping[str, bool]


def open_state_reader(settings: Settings) -> "StateReader":
    """Connect to the Cassandra of `settings`, as `StateReader` does and `open_feature_store` can."""
    return StateReader(open_feature_store(settings), settings.feature_service, settings.direct_keyspace)


class StateReader:
    """Reads the state of a feature service's views in the online store of `store`, whose registry is followed
    as it caches it. The records of materialization and the direct tables are in `direct_keyspace`.

    Raises NoCassandra where the online store is kept elsewhere, CassandraUnavailable without an answer.
    """

    def __init__(self, store: "FeatureStore", service: str, direct_keyspace: str) -> None:
        self._store, self._service, self._direct_keyspace = store, service, direct_keyspace
        self._connection = connection_of(store)
        self._session = open_session(self._connection)

    def read(self) -> State:
        """Read it now, without the sizes and counts that no answer came for.

        Raises CassandraUnavailable where no node answers in time, and what `applied_service` raises.
        """
        views = self._views()
        with cassandra_failures(self._connection):
            states = tuple(self._view(view) for view in views)
        usage = ask_nodes(self._session, _USAGE, NODE_TIMEOUT_SECONDS)
        keyspaces = (self._connection.keyspace, self._direct_keyspace)
        return State(
            online_store=self._store.config.online_store.type,
            views=states,
            # Where both keyspaces are one, so may be two tables of a view.
            entities=self._entities({table: None for view in views for table in self._tables(view)}),
            size_bytes={
                (row.keyspace_name, row.table_name, node): row.mebibytes * 2**20
                for node, rows in usage.items()
                for row in ([] if rows is None else rows)
                if row.keyspace_name in keyspaces
            },
            nodes={node: rows is not None for node, rows in usage.items()},
        )

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()

    def _views(self) -> tuple[FeatureSet, ...]:
        try:
            return applied_service(self._store, self._service, cached=True).feature_sets
        except FeaturesNotApplied:
            # What was not there is looked for at once, and not when the cache is due.
            return applied_service(self._store, self._service).feature_sets

    def _view(self, definitions: FeatureSet) -> ViewState:
        project, key = self._store.project, (self._store.config.online_store.type, definitions.view)
        last_run = MaterializationRecord(self._direct_keyspace, project).last(self._session, *key)
        attempts = AttemptRecord(self._direct_keyspace, project).read(self._session, *key)
        return ViewState(definitions.view, definitions.ttl, last_run, attempts)

    def _tables(self, definitions: FeatureSet) -> list[Table]:
        """Return where the view may be: of either Cassandra store, and the one that is read without Feast."""
        project, view = self._store.project, definitions.view
        online = online_tables(self._session, self._connection.keyspace, project, view).values()
        return [*online, (self._direct_keyspace, direct_table_name(project, view))]

    def _entities(self, tables: Iterable[Table]) -> dict[Table, int]:
        counts: dict[Table, int] = {}
        for keyspace, table in tables:
            try:
                count = estimate_partitions(self._session, keyspace, table)
            except Exception as error:  # How many there are is worth less than what else is known.
                log.warning("The entities of %s.%s cannot be counted: %s", keyspace, table, error)
                continue
            if count is not None:
                counts[keyspace, table] = count
        return counts


class StateWatch(Collector):
    """Reads the state in a thread of its own, every `interval_seconds`, and shows what it read last.

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

    def collect(self) -> Iterator[Family]:
        """Yield the families that have a value, as it was read last."""
        state = self.state
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


def _of_view(view: ViewState) -> dict[Metric, float | None]:
    run, attempts, failed = view.last_run, view.attempts, view.attempts.failed
    values: dict[Metric, float | None] = {
        metrics.TTL: None if view.ttl is None else view.ttl.total_seconds(),
        metrics.NEWEST_EVENT: _unix(attempts.newest_event),
        metrics.LAST_SUCCESS: _unix(attempts.last_succeeded_at),
    }
    if run is not None:
        values |= {
            metrics.MATERIALIZED_UNTIL: _unix(run.reached),
            metrics.DURATION: (run.finished_at - run.started_at).total_seconds(),
            metrics.WRITE_DURATION: run.duration_seconds,
            metrics.ROWS: run.transactions,
        }
        if attempts.last_succeeded_at is None:  # It ran before attempts were recorded.
            values[metrics.LAST_SUCCESS] = _unix(run.finished_at)
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
