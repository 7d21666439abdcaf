"""The drill: a load of reads and writes, one node killed and brought back, another one frozen and thawed."""

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poc.database.embedded import EmbeddedCassandra
from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures, applied_service
from poc.errors import FeaturesNotMaterialized, UnknownEntity
from poc.faults.load import Done, Load
from poc.faults.nodes import bring_back, cluster_to_drill, frozen, kill
from poc.faults.scratch import scratch
from poc.feature_store import close_feature_store, open_feature_store, read_for_serving
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

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


def run_drill(settings: Settings, seconds: float, announce: Announce) -> Outcome:
    """Hold a load against the embedded cluster of three nodes while a node is lost, and another.

    Reads and writes go through Feast's online store, at its consistency; reads within the time limit of the
    settings, as a server's. Rows that the drill writes are its own, and are removed.

    Args:
        settings: what is read.
        seconds: how long each state lasts.
        announce: told what happens next.

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
            end = time.monotonic()
        announce("looking for the acknowledged writes")
        ends = [begin for _, begin in marks[1:]] + [end]
        phases = tuple(
            Phase(name, reads.between(begin, until), writes.between(begin, until))
            for (name, begin), until in zip(marks, ends, strict=True)
        )
        return Outcome(phases, len(rows.acknowledged), rows.lost())


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


def reading(store: "FeatureStore", served: ServedFeatures) -> Callable[[], None]:
    """Give the operation that reads the next of some transactions, all of which are stored.

    Raises:
        FeaturesNotMaterialized: the first is not.
    """
    service = store.get_feature_service(served.service)
    following = itertools.cycle(sample_keys(served, POOL))

    def values_of(key: tuple[Any, ...]) -> dict[str, list[Any]]:
        row = dict(zip(served.key_names, key, strict=True))
        answer: dict[str, list[Any]] = store.get_online_features(service, [row]).to_dict()
        return answer

    def read() -> None:
        key = next(following)
        answer = values_of(key)
        if all(answer[name] == [None] for name in served.names):
            raise UnknownEntity("/".join(map(str, key)))

    try:
        read()
    except UnknownEntity as error:
        raise FeaturesNotMaterialized(f"Feature service {served.service}") from error
    return read
