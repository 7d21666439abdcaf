"""Real parts for the tests: one Cassandra a session, a keyspace of its own for each test that asks."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fault_report import FaultReport, Seen, note_faults
from few_records import put_few_records
from own_environment import own_environment
from own_keyspace import drop_keyspaces, own_keyspace
from own_sessions import own_sessions
from ports import free_port
from quick_java import MANY_KEYSPACES, MANY_KEYSPACES_HEAP_MB, quick_java
from warm_python import warm_programs
from xdist.scheduler import LoadScopeScheduling

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session, cassandra_session, open_session
from poc.repository import declared_service
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.local_cassandra.cluster import EmbeddedCassandra

ROOT = Path(__file__).parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Take Ctrl-C as a terminal's child does: a shell's background job, as some runners are, ignores it.

    And take nobody's settings: one that is exported, as README says of CASSANDRA_PORT, leads no test.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in os.environ.keys() - own_environment().keys():
        del os.environ[name]
    # A time that somebody takes for local is three quarters of an hour off, at least.
    os.environ["TZ"] = "Pacific/Chatham"
    time.tzset()
    if page := os.environ.get("FAULT_REPORT"):
        config.pluginmanager.register(FaultReport(ROOT / page))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the guide, which takes longest and is one worker's."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/guide/"))
    note_faults(items)


class FileScheduling(LoadScopeScheduling):
    """Gives each worker whole files."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        # What is typed as a reader types it takes the ports that a reader takes.
        return "guide" if path.startswith("tests/guide/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Take the place of the scheduler that `--dist` names."""
    return FileScheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def sessions_end_with_their_module() -> Iterator[None]:
    """Close what a module's tests left open; what is made for several modules is made before."""
    with own_sessions():
        yield


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectionSettings]:
    """A real Cassandra: an embedded one of this session's own, or the one TEST_CASSANDRA=host:port names."""
    given = os.environ.get("TEST_CASSANDRA")
    if given is not None:
        host, _, port = given.partition(":")
        yield ConnectionSettings((host,), int(port))
        return
    from poc.local_cassandra.embedded import start_embedded, stop_embedded

    folder = tmp_path_factory.mktemp("cassandra")
    with quick_java(*MANY_KEYSPACES):
        running = start_embedded(folder, free_port(), heap_mb=MANY_KEYSPACES_HEAP_MB)
    yield running.endpoint
    stop_embedded(folder)


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Seen:
    """Tells docs/reliability.md what was seen: a name, a number and its unit; a number of things has none."""
    return lambda name, value, unit: record_property("seen", (name, value, unit))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[EmbeddedCassandra]":
    """Three nodes on 127.0.0.1 to 127.0.0.3, ended with the module: idle, they cost 7 % of a core."""
    from poc.local_cassandra.embedded import start_embedded, stop_embedded

    folder = tmp_path_factory.mktemp("cluster") / "cassandra"
    with quick_java():
        running = start_embedded(folder, free_port(), 3)
    yield running
    stop_embedded(folder)


@pytest.fixture
def keyspace(cassandra: ConnectionSettings) -> Iterator[str]:
    """A fresh keyspace."""
    with cassandra_session(cassandra) as session, own_keyspace(session) as name:
        yield name


@pytest.fixture
def session(cassandra: ConnectionSettings) -> Iterator[Session]:
    """A driver session to that Cassandra."""
    opened = open_session(cassandra)
    yield opened
    opened.cluster.shutdown()


@pytest.fixture(scope="session")
def definitions() -> ServedFeatures:
    """What this repository's feature service takes, the sources' paths relative to its root."""
    return declared_service(Settings(feast_repo_path=ROOT / "feature_repo"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture
def project(copy_project: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A copy of this project, as a clone would have it, in a folder of its own."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Path], Path]:
    """Copies what git tracks or would track to a folder, and names that folder; links stay links."""

    def copy(target: Path) -> Path:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            source = ROOT / name
            if not (source.exists() or source.is_symlink()):
                continue
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
        return target

    return copy


@dataclass
class Workplace:
    """A copy of the project with its yaml pointed at the test's Cassandra."""

    folder: Path
    environment: Mapping[str, str]

    def shell(self, text: str, timeout: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run shell lines; fail with what they printed."""
        return self._run(["bash", "-euo", "pipefail", "-c", text], timeout, check)

    def python(self, text: str, timeout: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python lines; fail with what they printed."""
        return self._run([sys.executable, "-c", text], timeout, check)

    @contextmanager
    def server(self, text: str, url: str) -> Iterator[httpx.Client]:
        """Run a shell line that serves, until the end of the block; gives a client once `url` answers."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"], cwd=self.folder, env=self.environment, start_new_session=True
        )
        try:
            with httpx.Client(timeout=30) as client:
                wait_for(client, url, process)
                yield client
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)

    def _run(self, command: list[str], timeout: float, check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


def wait_for(client: httpx.Client, url: str, process: "subprocess.Popen[bytes]", seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if client.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"{url} did not answer in {seconds} s")


@pytest.fixture(scope="module")
def workplace(
    request: pytest.FixtureRequest,
    copy_project: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workplace]:
    """A copy of the project to type commands in; a parameter names the yaml in the default one's place.

    What it connects to is one node, or three where the yaml names three. It has fewer transactions than the
    guide's, but for a module marked `all_records`.
    """
    chosen = getattr(request, "param", "feature_store.yaml")
    cassandra: ConnectionSettings
    if chosen == "stores/cluster.yaml":
        cassandra = request.getfixturevalue("cluster").endpoint
    else:
        cassandra = request.getfixturevalue("cassandra")
    folder = copy_project(tmp_path_factory.mktemp("guide") / "project")
    if request.node.get_closest_marker("all_records") is None:
        put_few_records(folder)
    default = folder / "feature_repo/feature_store.yaml"
    shutil.copyfile(folder / "feature_repo" / chosen, folder / "chosen.yaml")
    (folder / "chosen.yaml").replace(default)
    for path in [default, *folder.glob("feature_repo/stores/*.yaml")]:
        path.write_text(path.read_text().replace("port: 9042", f"port: {cassandra.port}"))
    environment = own_environment()
    stamp = Path(sys.prefix, ".requirements-poc")
    assert stamp.is_file(), "run the tests in the environment that `make setup` makes"
    environment["VIRTUAL_ENV"] = sys.prefix
    programs = [str(Path(sys.executable).parent), environment["PATH"]]
    if request.module.__name__.rpartition(".")[2] != "test_guide" or chosen != "feature_store.yaml":
        # The guide itself is typed with the real ones.
        programs.insert(0, str(warm_programs()))
    environment["PATH"] = os.pathsep.join(programs)
    drop_keyspaces(cassandra)
    yield Workplace(folder, environment)
    drop_keyspaces(cassandra)
