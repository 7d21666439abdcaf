"""The drill: a load of reads and writes, one node killed and brought back, another one frozen and thawed."""

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from cassandra.cluster import Session

from poc.database.embedded import EmbeddedCassandra
from poc.dataset.stored import sample_ids
from poc.definitions import read_definitions
from poc.errors import UnknownTransaction
from poc.faults.load import Done, Load
from poc.faults.nodes import bring_back, cluster_to_drill, frozen, kill
from poc.faults.scratch import Scratch
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.source import FeatureSource
from poc.settings import Settings

READS_PER_SECOND, READERS = 100.0, 8
WRITES_PER_SECOND, WRITERS = 50.0, 4
POOL = 500
# The first contact point, to which the drivers hold on for news of the cluster, is the worst to freeze.
KILLED, FROZEN = 1, 0

Announce = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Phase:
    """What was read and written while the cluster was in one state.

    Attributes:
        name: the state.
        reads: all that began in it.
        writes: likewise.
    """

    name: str
    reads: tuple[Done, ...]
    writes: tuple[Done, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the drill found.

    Attributes:
        phases: in their order.
        acknowledged: how many writes Cassandra confirmed.
        lost: the numbers of those that were not there at the end.
    """

    phases: tuple[Phase, ...]
    acknowledged: int
    lost: tuple[int, ...]

    @property
    def reads(self) -> int:
        """How many reads there were."""
        return sum(len(phase.reads) for phase in self.phases)

    @property
    def failed_reads(self) -> list[Done]:
        """The reads that failed, in their order."""
        return [read for phase in self.phases for read in phase.reads if read.error is not None]

    @property
    def refused_writes(self) -> list[Done]:
        """The writes that were not acknowledged, in their order."""
        return [write for phase in self.phases for write in phase.writes if write.error is not None]


def run_drill(settings: Settings, session: Session, seconds: float, announce: Announce) -> Outcome:
    """Hold a load against the embedded cluster of three nodes while a node is lost, and another.

    Reads go through Feast's online store as the servers' do, at the consistency and within the time limit
    of the settings. Rows that the drill writes are its own, and are removed.

    Args:
        session: where those rows go, at its consistency.
        seconds: how long each state lasts.
        announce: told what happens next.

    Raises:
        NoClusterToDrill: no such cluster runs as a whole.
        FeaturesNotApplied, FeaturesNotMaterialized: there is nothing to read.
    """
    cluster = cluster_to_drill(settings)
    ids = sample_ids(read_definitions(settings), POOL)
    with ExitStack() as opened:
        source = open_feast_source(settings)
        opened.callback(source.close)
        source.check()
        scratch = Scratch(session)
        opened.callback(scratch.drop)
        with (
            Load(reading(source, ids), READS_PER_SECOND, READERS) as reads,
            Load(scratch.write, WRITES_PER_SECOND, WRITERS) as writes,
        ):
            marks = _lose_nodes(settings, cluster, seconds, announce)
            end = time.monotonic()
        announce("looking for the acknowledged writes")
        ends = [begin for _, begin in marks[1:]] + [end]
        phases = tuple(
            Phase(name, reads.between(begin, until), writes.between(begin, until))
            for (name, begin), until in zip(marks, ends, strict=True)
        )
        return Outcome(phases, len(scratch.acknowledged), scratch.lost())


def _lose_nodes(
    settings: Settings, cluster: EmbeddedCassandra, seconds: float, announce: Announce
) -> list[tuple[str, float]]:
    """Take the cluster through its states; give the begin of each, of `time.monotonic`."""
    killed, stopped = cluster.nodes[KILLED], cluster.nodes[FROZEN]
    marks: list[tuple[str, float]] = []

    def enter(state: str) -> None:
        announce(state)
        marks.append((state, time.monotonic()))

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
    return marks


def reading(source: FeatureSource, ids: Sequence[str]) -> Callable[[], None]:
    """Give the operation that reads the next of `ids`, all of which are stored."""
    following = itertools.cycle(ids)

    def read() -> None:
        transaction_id = next(following)
        if source.read([transaction_id])[0] is None:
            raise UnknownTransaction(transaction_id)

    return read
