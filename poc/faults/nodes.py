"""Kill, freeze and bring back the nodes of an embedded cluster."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from poc.database.embedded import EmbeddedCassandra, EmbeddedNode, embedded_state, start_embedded
from poc.errors import NoClusterToDrill
from poc.settings import Settings

NODES = 3
POLL_SECONDS = 0.05


def cluster_to_drill(settings: Settings) -> EmbeddedCassandra:
    """Return the embedded cluster of three nodes that runs.

    Raises:
        NoClusterToDrill: there is none, or a node of it is down.
    """
    running = embedded_state(settings.cassandra_dir)
    if running is None:
        raise NoClusterToDrill("no embedded Cassandra runs")
    if len(running.nodes) != NODES:
        raise NoClusterToDrill(f"the embedded Cassandra that runs has {len(running.nodes)} node(s)")
    if not running.is_complete:
        down = ", ".join(node.address for node in running.nodes if node.pid is None or not node.answers)
        raise NoClusterToDrill(f"of the embedded Cassandra, {down} does not answer")
    return running


def kill(node: EmbeddedNode) -> None:
    """End the node's process as a power cut would; return when it has ended.

    Raises:
        psutil.NoSuchProcess: it did not run.
    """
    process = psutil.Process(node.pid)
    process.send_signal(signal.SIGKILL)
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
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
