"""What runs in Spark's executor processes: write Arrow batches through one sink a process.

A process keeps its sink, and so its Cassandra session, for all tasks of a materialization that it serves.
"""

import os
import pickle
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pyarrow as pa
from feast import FeatureView
from feast.infra.passthrough_provider import PassthroughProvider
from feast.protos.feast.core.FeatureView_pb2 import FeatureView as FeatureViewProto

from poc.online_store.sinks import Sink, open_sink
from poc.online_store.write_drivers import WriteSettings

RESULT = "rows long, process string, session string"
"""What `write_batches` tells of a partition, as Spark's schema: rows acknowledged, and by whom."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A materialization, as it travels to the executors: the view's protobuf, Feast's RepoConfig, pickled."""

    view: bytes
    config: bytes
    settings: WriteSettings


@dataclass(slots=True)
class _Process:
    """What this process holds open: the sink of the assignment that it last worked on."""

    assignment: Assignment | None = None
    sink: Sink | None = None
    opened: int = 0
    stack: ExitStack = field(default_factory=ExitStack)

    def sink_of(self, assignment: Assignment, view: FeatureView) -> Sink:
        if self.sink is None or self.assignment != assignment:
            self.close()
            config = pickle.loads(assignment.config)
            store = PassthroughProvider(config).online_store
            # Of cassandra-driver the session is the store's.
            self.stack.callback(getattr(store, "close", lambda: None))
            self.sink = self.stack.enter_context(closing(open_sink(config, store, view, assignment.settings)))
            self.assignment = assignment
            self.opened += 1
        return self.sink

    def close(self) -> None:
        self.sink = None
        self.stack.close()


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
            for start in range(0, renamed.num_rows, assignment.settings.batch_rows):
                part = renamed.slice(start, assignment.settings.batch_rows)
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
