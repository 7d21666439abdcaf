"""The drill: a load of reads and writes, one node killed and brought back, another one frozen and thawed.

Its outcome is a table: a line a state.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from feast import FeatureStore

from poc.database.embedded import EmbeddedCassandra
from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures, applied_service
from poc.errors import FeaturesNotMaterialized, UnknownEntity
from poc.faults.load import Done, Load, percentile_ms
from poc.faults.nodes import bring_back, cluster_to_drill, frozen, kill
from poc.faults.scratch import scratch
from poc.feature_store import close_feature_store, open_feature_store, read_for_serving
from poc.settings import Settings

READS_PER_SECOND, READERS = 100.0, 8
WRITES_PER_SECOND, WRITERS = 50.0, 4
POOL = 500
# The first contact point, to which the drivers hold on for news of the cluster, is the worst to freeze.
KILLED, FROZEN = 1, 0

HEADER = (
    "| state | reads | failed | p50 | p99 | longest | writes | not acknowledged | p99 |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

Announce = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Phase:
    """The reads and writes that began while the cluster was in one state, which gives its name."""

    name: str
    reads: tuple[Done, ...]
    writes: tuple[Done, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the drill found: how many writes Cassandra confirmed, and which of them were lost at the end."""

    phases: tuple[Phase, ...]
    acknowledged: int
    lost: tuple[int, ...]

    @property
    def reads(self) -> int:
        """The number of all reads."""
        return sum(len(phase.reads) for phase in self.phases)

    @property
    def failed_reads(self) -> list[Done]:
        """The reads that failed, in their order."""
        return [read for phase in self.phases for read in phase.reads if read.error is not None]

    @property
    def refused_writes(self) -> list[Done]:
        """The writes that were not acknowledged, in their order."""
        return [write for phase in self.phases for write in phase.writes if write.error is not None]


def run_drill(settings: Settings, seconds: float, announce: Announce) -> Outcome:
    """Hold a load against the embedded cluster of three nodes while a node is lost, and another.

    Reads and writes go through Feast's online store, at its consistency; reads within the time limit of the
    settings, as a server's. Rows that the drill writes are its own, and are removed. Each state lasts
    `seconds`; `announce` is told what happens next.

    Raises:
        NoClusterToDrill: no such cluster runs as a whole.
        FeaturesNotApplied, FeaturesNotMaterialized: there is nothing to read.
    """
    cluster = cluster_to_drill(settings)
    with ExitStack() as opened:
        store = open_feature_store(settings)
        opened.callback(close_feature_store, store)
        rows = opened.enter_context(scratch(store))
        read_for_serving(store, settings.feature_timeout_seconds, settings.feature_driver)
        read = reading(store, applied_service(store, settings.feature_service))
        with (
            Load(read, READS_PER_SECOND, READERS) as reads,
            Load(rows.write, WRITES_PER_SECOND, WRITERS) as writes,
        ):
            marks = _lose_nodes(settings, cluster, seconds, announce)
            marks.append(("the end", time.monotonic()))
        announce("looking for the acknowledged writes")
        phases = tuple(
            Phase(name, reads.between(begin, until), writes.between(begin, until))
            for (name, begin), (_, until) in itertools.pairwise(marks)
        )
        return Outcome(phases, len(rows.acknowledged), rows.lost())


def _lose_nodes(
    settings: Settings, cluster: EmbeddedCassandra, seconds: float, announce: Announce
) -> list[tuple[str, float]]:
    """Take the cluster through its states; return the begin of each, of `time.monotonic`."""
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


def reading(store: FeatureStore, served: ServedFeatures) -> Callable[[], None]:
    """Return the operation that reads the next of some transactions, all of which are stored.

    Raises:
        FeaturesNotMaterialized: the first is not.
    """
    service = store.get_feature_service(served.service)
    following = itertools.cycle(sample_keys(served, POOL))

    def read() -> None:
        key = next(following)
        row = dict(zip(served.key_names, key, strict=True))
        answer: dict[str, list[Any]] = store.get_online_features(service, [row]).to_dict()
        if all(answer[name] == [None] for name in served.names):
            raise UnknownEntity("/".join(map(str, key)))

    try:
        read()
    except UnknownEntity as error:
        raise FeaturesNotMaterialized(f"Feature service {served.service}") from error
    return read


def drill_table(outcome: Outcome) -> str:
    """Lay out a line a state: how many reads and writes, how many failed, how long they took."""
    return "\n".join([HEADER, *map(_line, outcome.phases)])


def first_errors(outcome: Outcome, most: int = 3) -> list[str]:
    """Say of some failed reads when they failed, in seconds after the first read, and why."""
    begin = min(read.began for phase in outcome.phases for read in phase.reads)
    return [
        f"{read.began - begin:.1f} s: {type(read.error).__name__}: {read.error}"
        for read in outcome.failed_reads[:most]
    ]


def _line(phase: Phase) -> str:
    cells = [phase.name, *_cells(phase.reads, 50, 99, 100), *_cells(phase.writes, 99)]
    return f"| {' | '.join(cells)} |"


def _cells(done: Sequence[Done], *percents: float) -> Iterator[str]:
    yield f"{len(done):,}"
    yield f"{sum(item.error is not None for item in done):,}"
    for percent in percents:
        taken = percentile_ms(done, percent)
        yield "-" if taken is None else f"{taken:.1f} ms"
