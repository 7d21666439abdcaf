"""The embedded cluster in the drill: its nodes killed, frozen and brought back, and a load on it.

Imports no Feast, which takes seconds: whether there is a cluster is a cheap check.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from poc.errors import NoClusterToDrill
from poc.local_cassandra.cluster import EmbeddedCassandra, EmbeddedNode
from poc.local_cassandra.embedded import embedded_state, start_embedded
from poc.settings import Settings

NODES = 3
POLL_SECONDS = 0.05


def cluster_to_drill(settings: Settings) -> EmbeddedCassandra:
    """Return the embedded cluster of three nodes that runs; `NoClusterToDrill` if it does not, as a whole."""
    running = embedded_state(settings.cassandra_dir)
    if running is None:
        raise NoClusterToDrill("no embedded Cassandra runs")
    if len(running.nodes) != NODES:
        raise NoClusterToDrill(f"the embedded Cassandra that runs has {len(running.nodes)} node(s)")
    down = ", ".join(node.address for node in running.nodes if node.pid is None or not node.answers)
    if down:
        raise NoClusterToDrill(f"of the embedded Cassandra, {down} does not answer")
    return running


def kill(node: EmbeddedNode) -> None:
    """End the node's process as a power cut would; return when it has ended."""
    process = psutil.Process(node.pid)
    process.kill()
    with suppress(psutil.NoSuchProcess):
        # A zombie that its parent has not asked after is as dead as can be.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL_SECONDS)


def bring_back(settings: Settings, cluster: EmbeddedCassandra) -> None:
    """Start what was killed of `cluster`, and wait until all nodes see each other again."""
    start_embedded(settings.cassandra_dir, cluster.port, len(cluster.nodes), secure=cluster.secure)


@contextmanager
def frozen(node: EmbeddedNode) -> Iterator[None]:
    """Stop the node's process, its connections open, until the block ends."""
    process = psutil.Process(node.pid)
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


@dataclass(frozen=True, slots=True)
class Operation:
    """One read or write: its begin, of `time.monotonic`, how long it took, what it raised if it failed."""

    began: float
    seconds: float
    error: Exception | None


class Load:
    """Calls `operation`, which raises when it failed, at a fixed rate until the end of the block.

    One that is late does not hold the others up as long as a thread is free: a user does not wait for
    another user's answer. The operation is called by several threads at once.
    """

    def __init__(self, operation: Callable[[], None], per_second: float, threads: int) -> None:
        self._operation = operation
        self._pause = threads / per_second
        self._stop = threading.Event()
        self._done: list[Operation] = []
        delays = (number / per_second for number in range(threads))
        self._threads = [threading.Thread(target=self._run, args=(by,), daemon=True) for by in delays]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def between(self, begin: float, end: float) -> tuple[Operation, ...]:
        """Return what began in [begin, end) of `time.monotonic`, and is done by now."""
        return tuple(done for done in tuple(self._done) if begin <= done.began < end)

    def _run(self, delay: float) -> None:
        due = time.monotonic() + delay
        while not self._stop.wait(max(due - time.monotonic(), 0.0)):
            began = time.monotonic()
            error = None
            try:
                self._operation()
            except Exception as raised:  # Whatever it is, it failed: that is what is counted.
                error = raised
            now = time.monotonic()
            self._done.append(Operation(began, now - began, error))
            # One that took longer than its pause is not made up for: the rate drops, and no burst follows.
            due = max(due + self._pause, now)
