"""What runs in Spark's executor processes: write Arrow batches through one sink a process.

A process serves one task after another, and keeps its sink, and so its Cassandra session, for all tasks
of a materialization.
"""

import os
import pickle
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from feast import FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.passthrough_provider import PassthroughProvider
from feast.protos.feast.core.FeatureView_pb2 import FeatureView as FeatureViewProto

from poc.online_store.sinks import Sink, open_sink
from poc.online_store.writers import SinkSettings

RESULT = "rows long, process string, session string"
"""What `write_batches` tells of a partition, as Spark's schema: rows acknowledged, and by whom."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A materialization, as it travels to the executors.

    Attributes:
        view: the feature view's protobuf.
        config: Feast's RepoConfig, pickled.
        settings: the engine's.
        batch_rows: most rows that are converted and sent at a time.
    """

    view: bytes
    config: bytes
    settings: SinkSettings
    batch_rows: int


@dataclass(slots=True)
class _Process:
    """What this process holds open: the sink of the assignment that it last worked on."""

    assignment: Assignment | None = None
    store: OnlineStore | None = None
    sink: Sink | None = None
    opened: int = 0

    def sink_of(self, assignment: Assignment, view: FeatureView) -> Sink:
        if self.sink is not None and self.assignment == assignment:
            return self.sink
        self.close()
        config = pickle.loads(assignment.config)
        self.store = PassthroughProvider(config).online_store
        self.sink = open_sink(config, self.store, view, assignment.settings)
        self.assignment = assignment
        self.opened += 1
        return self.sink

    def close(self) -> None:
        sink, store = self.sink, self.store
        self.sink = self.store = None
        if sink is not None:
            sink.close()
        # Of cassandra-driver the session is the store's.
        if store is not None and hasattr(store, "close"):
            store.close()


# Spark calls functions, and has no other place for what a process shares.
_process = _Process()


def write_batches(batches: Iterable[pa.RecordBatch], assignment: Assignment) -> Iterator[pa.RecordBatch]:
    """Write a partition's rows, and yield one row of `RESULT` once all are acknowledged.

    An OnlineStoreError says that a row was not acknowledged, or cannot be written.
    """
    view = FeatureView.from_proto(FeatureViewProto.FromString(assignment.view))
    mapping = dict(view.batch_source.field_mapping or {})
    written = 0
    try:
        for batch in batches:
            renamed = batch.rename_columns([mapping.get(name, name) for name in batch.schema.names])
            for start in range(0, renamed.num_rows, assignment.batch_rows):
                part = renamed.slice(start, assignment.batch_rows)
                _process.sink_of(assignment, view).write(part)
                written += part.num_rows
    except BaseException:
        # What failed once is opened anew for Spark's next attempt.
        _process.close()
        raise
    if written:
        process = f"{socket.gethostname()}-{os.getpid()}"
        session = f"{process}-{_process.opened}"
        yield pa.RecordBatch.from_pydict({"rows": [written], "process": [process], "session": [session]})
