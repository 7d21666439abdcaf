"""The drill: a load of reads and writes, one node killed and brought back, another one frozen and thawed.

Its outcome is a table: a line a state. The rows that it writes are its own: each is numbered, and counts as
acknowledged only once Cassandra has confirmed it. They are read all the time as well: a read that began after
a row was acknowledged has to find it, so that reads never go back.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bool, Int64

from poc.command_line import note
from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures, applied_service
from poc.errors import FeaturesNotMaterialized, UnknownEntity
from poc.feature_store import close_feature_store, read_for_serving
from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.measurement.cluster import Load, Operation, bring_back, cluster_to_drill, frozen, kill
from poc.measurement.core import percentile
from poc.measurement.place import Place, configuration, online_block, open_configuration, open_place
from poc.measurement.reads import public_call
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA
from poc.output import markdown_table
from poc.settings import Settings

READS_PER_SECOND, READERS = 100.0, 8
WRITES_PER_SECOND, WRITERS = 50.0, 4
FINDS_PER_SECOND, FINDERS = 25.0, 4
POOL = 500
# The first contact point, to which the drivers hold on for news of the cluster, is the worst to freeze.
KILLED, FROZEN = 1, 0
KEYSPACE = "fault_drill"
VIEW, NUMBER, WRITTEN = "fault_drill_writes", "number", "written"
PAGE = 500


@dataclass(frozen=True, slots=True)
class Phase:
    """The reads and writes that began while the cluster was in the state `name`."""

    name: str
    reads: tuple[Operation, ...]
    writes: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the drill found: how many writes Cassandra confirmed, and which of them were lost at the end.

    `found` reads looked for a row that was acknowledged before they began; `missed` of them did not find it.
    """

    phases: tuple[Phase, ...]
    acknowledged: int
    lost: tuple[int, ...]
    found: int
    missed: int

    @property
    def reads(self) -> int:
        """The number of all reads."""
        return sum(len(phase.reads) for phase in self.phases)

    @property
    def failed_reads(self) -> list[Operation]:
        """The reads that failed, in their order."""
        return [read for phase in self.phases for read in phase.reads if read.error is not None]

    @property
    def refused_writes(self) -> list[Operation]:
        """The writes that were not acknowledged, in their order."""
        return [write for phase in self.phases for write in phase.writes if write.error is not None]


def run_drill(settings: Settings, seconds: float) -> Outcome:
    """Hold a load against the embedded cluster of three nodes while a node is lost, and another.

    Reads and writes go through Feast's online store, at its consistency; reads within the time limit of the
    settings, as a server's. Rows that the drill writes are removed. Each state lasts `seconds`, and what
    happens next is told. Raises NoClusterToDrill, and what says that there is nothing to read.
    """
    cluster = cluster_to_drill(settings)
    with open_place(settings) as place, _own_rows(place) as rows:
        store = place.store
        read_for_serving(store, settings.feature_timeout_seconds, settings.feature_driver)
        read = _stored_reader(store, applied_service(store, settings.feature_service))
        with (
            Load(read, READS_PER_SECOND, READERS) as reads,
            Load(rows.write, WRITES_PER_SECOND, WRITERS) as writes,
            Load(rows.find_newest, FINDS_PER_SECOND, FINDERS) as finds,
        ):
            states = [*_lose_nodes(settings, cluster, seconds), ("the end", time.monotonic())]
        note("looking for the acknowledged writes")
        phases = tuple(
            Phase(name, reads.between(begin, until), writes.between(begin, until))
            for (name, begin), (_, until) in itertools.pairwise(states)
        )
        looked = finds.between(states[0][1], states[-1][1])
        missed = sum(isinstance(find.error, AcknowledgedRowMissed) for find in looked)
        return Outcome(phases, len(rows.acknowledged), rows.lost(), len(looked), missed)


def _lose_nodes(settings: Settings, cluster: EmbeddedCassandra, seconds: float) -> list[tuple[str, float]]:
    """Take the cluster through its states; return the begin of each, of `time.monotonic`."""
    killed, stopped = cluster.nodes[KILLED], cluster.nodes[FROZEN]
    begun: list[tuple[str, float]] = []

    def enter(state: str) -> None:
        note(state)
        begun.append((state, time.monotonic()))

    enter("three nodes")
    time.sleep(seconds)
    enter(f"{killed.address} killed")
    kill(killed)
    try:
        time.sleep(seconds)
    finally:
        enter(f"{killed.address} started again")
        bring_back(settings, cluster)
    enter(f"{stopped.address} frozen")
    with frozen(stopped):
        time.sleep(seconds)
    enter(f"{stopped.address} goes on")
    time.sleep(seconds)
    return begun


def _stored_reader(store: FeatureStore, served: ServedFeatures) -> Callable[[], None]:
    """Return the operation that reads the next of some transactions, the first of which has to be stored."""
    stored, keys = public_call(store, served), itertools.cycle(sample_keys(served, POOL))

    def read() -> None:
        key = next(keys)
        if stored([key]) == [None]:
            raise UnknownEntity("/".join(map(str, key)))

    try:
        read()
    except UnknownEntity as error:
        raise FeaturesNotMaterialized(f"Feature service {served.service}") from error
    return read


@contextmanager
def _own_rows(place: Place) -> "Iterator[NumberedRows]":
    """Make a feature view for the rows, kept as `place` keeps its own, in a keyspace and registry apart."""
    drop = f"DROP KEYSPACE IF EXISTS {KEYSPACE}"
    with TemporaryDirectory() as folder:
        place.session.execute(drop, execution_profile=SCHEMA)
        ensure_keyspace(place.session, replace(place.connection, keyspace=KEYSPACE))
        registry, block = str(Path(folder) / "registry.db"), online_block(place.store, keyspace=KEYSPACE)
        drill_store = open_configuration(configuration(place.store, registry=registry, online_store=block))
        try:
            yield NumberedRows(drill_store, Path(folder) / "never.parquet")
        finally:
            close_feature_store(drill_store)
            place.session.execute(drop, execution_profile=SCHEMA)


class AcknowledgedRowMissed(Exception):
    """A read that began after the row was acknowledged did not find it."""


class NumberedRows:
    """A feature view of numbered rows, written and read through Feast.

    `store` holds nothing else; the file `source` need not be there: nothing is materialized.
    """

    def __init__(self, store: FeatureStore, source: Path) -> None:
        self._store = store
        self._numbers = itertools.count()
        self.acknowledged: list[int] = []
        """The numbers of the rows that Cassandra has confirmed."""
        entity = Entity(name=NUMBER, join_keys=[NUMBER], value_type=ValueType.INT64)
        view = FeatureView(
            name=VIEW,
            entities=[entity],
            schema=[Field(name=NUMBER, dtype=Int64), Field(name=WRITTEN, dtype=Bool)],
            source=FileSource(path=str(source), timestamp_field="event_timestamp"),
            ttl=timedelta(0),
        )
        with redirect_stdout(sys.stderr):
            store.apply([entity, view])
        self._view = store.get_feature_view(VIEW)

    def write(self) -> None:
        """Write the next row. Where this raises, it was not acknowledged, and may be there or not."""
        # One step of the interpreter: no two threads get the same.
        number = next(self._numbers)
        key = EntityKey(join_keys=[NUMBER], entity_values=[Value(int64_val=number)])
        row = (key, {WRITTEN: Value(bool_val=True)}, datetime.now(timezone.utc), None)
        provider = self._store._get_provider()
        provider.online_write_batch(self._store.config, self._view, [row], None)
        self.acknowledged.append(number)

    def find_newest(self) -> None:
        """Read the row that was acknowledged last; `AcknowledgedRowMissed` where it is not there."""
        newest = self.acknowledged[-1:]
        if self._found(newest) != set(newest):
            raise AcknowledgedRowMissed(newest)

    def lost(self) -> tuple[int, ...]:
        """Return the acknowledged rows that cannot be read."""
        pages = (self.acknowledged[at : at + PAGE] for at in range(0, len(self.acknowledged), PAGE))
        found = set[int]().union(*map(self._found, pages))
        return tuple(number for number in self.acknowledged if number not in found)

    def _found(self, numbers: Sequence[int]) -> set[int]:
        if not numbers:
            return set()
        entity_rows = [{NUMBER: number} for number in numbers]
        answer = self._store.get_online_features([f"{VIEW}:{WRITTEN}"], entity_rows).to_dict()
        rows = zip(answer[NUMBER], answer[WRITTEN], strict=True)
        return {number for number, written in rows if written is not None}


def drill_table(outcome: Outcome) -> str:
    """Lay out a line a state: how many reads and writes, how many failed, how long they took."""
    columns = ("state", "reads", "failed", "p50", "p99", "longest", "writes", "not acknowledged", "p99")
    phases = outcome.phases
    rows = ((each.name, *_cells(each.reads, 50, 99, 100), *_cells(each.writes, 99)) for each in phases)
    return markdown_table(columns, rows)


def first_errors(outcome: Outcome) -> list[str]:
    """Say of some failed reads when they failed, in seconds after the first read, and why."""
    begin = min(read.began for phase in outcome.phases for read in phase.reads)
    return [
        f"{read.began - begin:.1f} s: {type(read.error).__name__}: {read.error}"
        for read in outcome.failed_reads[:3]
    ]


def _cells(done: Sequence[Operation], *percents: float) -> Iterator[str]:
    yield f"{len(done):,}"
    yield f"{sum(item.error is not None for item in done):,}"
    nanoseconds = [round(item.seconds * 1e9) for item in done]
    for percent in percents:
        yield f"{percentile(nanoseconds, percent) / 1e6:.1f} ms" if nanoseconds else "-"
