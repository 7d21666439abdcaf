"""Start and stop a real Cassandra without Docker, on a Java that pip installed. Its data survives both."""

import fcntl
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType

import psutil
from rich.console import Console

from poc.child_process import Process
from poc.errors import CassandraCrashed, CassandraStartTimeout, FolderNotUsable, OtherClusterRunning
from poc.local_cassandra.cluster import ClusterFolder, EmbeddedCassandra, running_cluster
from poc.local_cassandra.jars import cassandra_jars
from poc.local_cassandra.machine import require_disk, require_memory
from poc.local_cassandra.node import NodePlace, find_java
from poc.local_cassandra.ring import ensure_login, wait_for_ring
from poc.local_cassandra.secure import ensure_certificates, make_credentials
from poc.online_store.connection import ConnectionSettings

HEAP_MB = 512
START_TIMEOUT_SECONDS = 180.0
# Nodes that stop together can wait 20 s for each other's connections, long after the last client is gone.
# By then the commit log holds everything that was written, so killing them loses nothing.
STOP_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Of a cluster that was up before: its user is there from the first moment on.
LOGIN_SECONDS = 20.0


@contextmanager
def interruptible() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into KeyboardInterrupt; yields for what block it comes only after.

    Without it, a SIGTERM (a CI job's end, a closed terminal) would leave a half-started process behind. Only
    a program's main thread can do so; in another one this does nothing.
    """
    held, pending = False, False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal pending
        if not held:
            raise KeyboardInterrupt
        pending = True

    @contextmanager
    def unbroken() -> Iterator[None]:
        nonlocal held
        held = True
        try:
            yield
        finally:
            held = False
        if pending:
            raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        # Who starts this with nohup, or in a shell's background, wants the signal ignored.
        heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
        before = {number: signal.signal(number, on_signal) for number in heard}
    try:
        yield unbroken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start_embedded(
    directory: Path,
    port: int,
    nodes: int = 1,
    *,
    secure: bool = False,
    heap_mb: int = HEAP_MB,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
    console: Console | None = None,
) -> EmbeddedCassandra:
    """Start those of `nodes` nodes that do not run, with their files under `directory`, and wait for them.

    They listen on 127.0.0.1, 127.0.0.2, ... at `port` and go on after the calling process has ended. Two
    calls at the same moment follow each other. A call that fails or is interrupted leaves nothing running
    that did not answer before it. With a `console`, the wait is shown on it.

    A `secure` one wants TLS, a certificate and a password: certificates are made in `tls/`, the user and
    its password in `credentials` where they are missing; `endpoint` of what is returned has them.

    Raises:
        OtherClusterRunning: the directory's running cluster has another size or port, or is secure and
            should not be, or the other way round.
        CredentialsLost: a secure cluster does not know the kept credentials.
        JavaNotFound, JarsUnavailable, JarDamaged, CacheNotWritable: there is no Cassandra to start.
        PortTaken, LoopbackAddressMissing, TooLittleMemory, TooLittleDisk, FolderNotUsable: no place for it.
        CassandraCrashed, CassandraStartTimeout: it did not come up; with its last log lines.
    """
    with interruptible() as unbroken, _one_at_a_time(directory):
        cluster = ClusterFolder(directory, nodes, secure)
        running = running_cluster(directory)
        if running is not None:
            state = running.state()
            if (len(state.nodes), state.port, state.secure) != (nodes, port, secure):
                raise OtherClusterRunning(len(state.nodes), state.port, state.secure)
            if state.is_complete:
                return state
        java = find_java()
        jars = cassandra_jars()
        missing = cluster.missing()
        require_memory(len(missing), heap_mb)
        require_disk(directory, len(missing))
        with _folder_errors(directory):
            ports = cluster.prepare(port)
            if cluster.tls_folder is not None:
                ensure_certificates(cluster.tls_folder)
                make_credentials(cluster.credentials_file)
        unanswered = tuple(place for place in cluster.places if not cluster.answers(place.address, port))
        launched: dict[NodePlace, Process] = {}
        try:
            with _shown(console, f"Starting Cassandra at {ConnectionSettings(cluster.addresses, port)}"):
                for place in missing:
                    with unbroken(), _folder_errors(directory):
                        launched[place] = place.launch(
                            java, jars, ports, cluster.addresses, heap_mb, cluster.tls_folder
                        )
                deadline = time.monotonic() + timeout_seconds
                _wait_until_up(cluster, unanswered, port, launched, deadline)
                endpoint = cluster.endpoint(port)
                if secure:
                    login_by = time.monotonic() + LOGIN_SECONDS if cluster.ready.exists() else deadline
                    ensure_login(endpoint, cluster.credentials_file, login_by)
                if nodes > 1 and not wait_for_ring(endpoint, deadline):
                    raise CassandraStartTimeout("its nodes together", *cluster.places[0].last_words())
        except BaseException:
            # Nothing is lost: a node is made to be killed, and this one has not served anybody.
            _end(unanswered, signal.SIGKILL)
            raise
        cluster.ready.touch()
        return cluster.state(started=len(launched))


def stop_embedded(directory: Path) -> int:
    """Stop the cluster under `directory`, at last by force; tell how many nodes were running."""
    if not directory.exists():
        return 0
    with _one_at_a_time(directory):
        cluster = running_cluster(directory)
        places = () if cluster is None else cluster.places
        running = [place for place in places if place.process() is not None]
        if not _end(running, signal.SIGTERM):
            _end(running, signal.SIGKILL)
        return len(running)


def embedded_state(directory: Path) -> EmbeddedCassandra | None:
    """Describe the cluster under `directory` of which at least one node runs; None if none does."""
    cluster = running_cluster(directory)
    return None if cluster is None else cluster.state()


def _wait_until_up(
    cluster: ClusterFolder,
    places: Sequence[NodePlace],
    port: int,
    launched: Mapping[NodePlace, Process],
    deadline: float,
) -> None:
    waiting = list(places)
    while waiting:
        for place in waiting:
            process = launched.get(place)
            status = None if process is None else process.poll()
            if status is not None or (process is None and place.process() is None):
                raise CassandraCrashed(place.address, status, *place.last_words())
        waiting = [place for place in waiting if not cluster.answers(place.address, port)]
        if waiting and time.monotonic() >= deadline:
            raise CassandraStartTimeout(waiting[0].address, *waiting[0].last_words())
        time.sleep(POLL_SECONDS)


def _end(places: Sequence[NodePlace], number: signal.Signals) -> bool:
    """Signal the nodes' processes and wait until they are gone; tell whether they are."""
    processes = [process for place in places if (process := place.process()) is not None]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    _, alive = psutil.wait_procs(processes, STOP_TIMEOUT_SECONDS)
    if alive:
        return False
    for place in places:
        (place.folder / "pid").unlink(missing_ok=True)
    return True


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Keep other starts and stops of the same directory waiting; a killed process does not."""
    with _folder_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _folder_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderNotUsable(directory, str(error)) from error


@contextmanager
def _shown(console: Console | None, what: str) -> Iterator[None]:
    """Show a spinner on a terminal, a line elsewhere."""
    if console is not None and not console.is_terminal:
        console.print(f"{what} ...", highlight=False)
    with nullcontext() if console is None or not console.is_terminal else console.status(what):
        yield
