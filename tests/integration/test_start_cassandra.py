"""`start_cassandra.py` and the embedded Cassandra behind it: real processes, free ports, a temporary folder.

The tests of one node share it, in the order in which they are written: a start takes seconds.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from ports import free_port

from poc.errors import CassandraCrashed, CassandraStartTimeout, OtherClusterRunning, PortTaken
from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.local_cassandra.embedded import embedded_state, start_embedded, stop_embedded
from poc.local_cassandra.jars import cassandra_jars
from poc.online_store.session import READ, SCHEMA, cassandra_session, idempotent

ROOT = Path(__file__).parents[2]


def processes_of(directory: Path) -> list[int]:
    """Every Cassandra process with its files under `directory`, whatever the pid files say."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if any(argument.startswith(f"@{directory}/") for argument in arguments):
            found.append(process.pid)
    return found


@dataclass(frozen=True)
class Place:
    """Where the script is to keep its Cassandra, on a machine without Java and Docker on PATH."""

    directory: Path
    port: int

    def script(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        environment = {
            "HOME": str(self.directory.parent),
            "M2_REPO": os.environ.get("M2_REPO", str(Path.home() / ".m2/repository")),
            "PATH": "",
            "CASSANDRA_DIR": str(self.directory),
            "CASSANDRA_PORT": str(self.port),
        }
        return subprocess.Popen(
            [sys.executable, "scripts/start_cassandra.py", *arguments],
            cwd=ROOT,
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Run the script; its exit status and what it printed to standard output and standard error."""
        process = self.script(*arguments, **more)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    @property
    def state(self) -> EmbeddedCassandra:
        state = embedded_state(self.directory)
        assert state is not None
        return state


@pytest.fixture(scope="module", autouse=True)
def downloaded_jars() -> None:
    cassandra_jars()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with one node, started by two scripts at the same moment."""
    place = Place(tmp_path_factory.mktemp("one node") / "files of $it", free_port())
    scripts = [place.script("--mode", "embedded") for _ in range(2)]
    outputs = [script.communicate(timeout=300) for script in scripts]
    assert [script.returncode for script in scripts] == [0, 0], outputs
    (place.directory / "outputs").write_text("".join(out for out, _ in outputs))
    yield place
    stop_embedded(place.directory)


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[Place]:
    """A place where nothing runs; a start there is meant to fail, and leave nothing."""
    place = Place(tmp_path / "files", free_port())
    yield place
    for pid in processes_of(place.directory):
        os.kill(pid, signal.SIGKILL)


class TestOneNode:
    def test_two_starts_at_the_same_moment_start_one(self, place: Place) -> None:
        said = (place.directory / "outputs").read_text()
        assert (said.count(" started: "), said.count(" is running already: ")) == (1, 1)
        assert processes_of(place.directory) == [place.state.nodes[0].pid]

    def test_it_survives_the_script_that_started_it_in_a_session_of_its_own(self, place: Place) -> None:
        pid = place.state.nodes[0].pid
        assert pid is not None
        assert os.getsid(pid) == pid

    def test_status_without_a_usable_configuration_is_that_of_the_embedded_one(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other.yaml").write_text(
            "project: p\nregistry: r.db\nprovider: local\nonline_store:\n  type: sqlite\n"
        )
        status, out, _ = place.run("--status", FEAST_FS_YAML_FILE_PATH=str(tmp_path / "other.yaml"))
        assert status == 0
        assert f"127.0.0.1:{place.port}, embedded, 1 of 1 node(s) up" in out

    def test_another_start_is_a_no_op_that_says_so(self, place: Place) -> None:
        before = place.state.nodes[0].pid
        status, out, _ = place.run()
        assert status == 0
        assert out.startswith("✓ Cassandra 5.0.6 is running already: ")
        assert place.state.nodes[0].pid == before

    def test_status_of_a_running_one_is_0(self, place: Place) -> None:
        status, out, _ = place.run("--status")
        assert status == 0
        assert f"127.0.0.1:{place.port}, embedded, 1 of 1 node(s) up" in out

    def test_it_listens_on_loopback_addresses_only_and_has_no_jmx(self, place: Place) -> None:
        listening = [
            connection.laddr
            for connection in psutil.Process(place.state.nodes[0].pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert {address.ip for address in listening} == {"127.0.0.1"}
        assert len(listening) == 2

    def test_another_cassandra_at_the_same_port_is_refused(self, place: Place, tmp_path: Path) -> None:
        with pytest.raises(PortTaken, match=f":{place.port} is taken by a CQL server"):
            start_embedded(tmp_path, place.port)
        assert processes_of(tmp_path) == []

    def test_a_cluster_of_another_size_is_refused_while_it_runs(self, place: Place) -> None:
        with pytest.raises(OtherClusterRunning, match="1 node"):
            start_embedded(place.directory, place.port, 3)

    def test_data_survives_a_killed_process(self, place: Place) -> None:
        with cassandra_session(place.state.endpoint) as session:
            session.execute(
                "CREATE KEYSPACE kept WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            session.execute("CREATE TABLE kept.rows (id int PRIMARY KEY)")
            for id in range(100):
                session.execute("INSERT INTO kept.rows (id) VALUES (%s)", (id,))
        time.sleep(0.3)  # Cassandra marks the end of its log every 0.1 s.
        pid = place.state.nodes[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        started = start_embedded(place.directory, place.port)
        assert started.started == 1
        with cassandra_session(started.endpoint) as session:
            assert session.execute("SELECT count(*) FROM kept.rows").one()[0] == 100

    def test_it_starts_with_segments_of_its_log_that_a_full_disk_left_empty(self, place: Place) -> None:
        place.run("--stop")
        log = place.directory / "1-node" / "node1" / "commitlog"
        newest = max(log.glob("CommitLog-*.log"))
        start, _, number = newest.stem.rpartition("-")
        for more in (1, 2):
            (log / f"{start}-{int(number) + more}.log").touch()
        started = start_embedded(place.directory, place.port)
        with cassandra_session(started.endpoint) as session:
            assert session.execute("SELECT count(*) FROM kept.rows").one()[0] == 100

    def test_a_stop_leaves_no_process_and_a_status_of_1(self, place: Place) -> None:
        status, out, _ = place.run("--stop")
        assert (status, out) == (0, "✓ Cassandra stopped (embedded)\n")
        assert processes_of(place.directory) == []
        assert place.run("--status")[0] == 1

    def test_a_stop_where_nothing_runs_is_a_no_op(self, place: Place) -> None:
        assert place.run("--stop")[:2] == (0, "✓ No Cassandra of this project runs\n")

    def test_data_survives_a_stop_and_a_start_at_another_port_despite_a_stale_pid(self, place: Place) -> None:
        (place.directory / "1-node" / "node1" / "pid").write_text(str(os.getpid()))
        started = start_embedded(place.directory, free_port())
        with cassandra_session(started.endpoint) as session:
            assert session.execute("SELECT count(*) FROM kept.rows").one()[0] == 100


class TestFailures:
    def test_a_crash_shows_the_last_lines_of_its_log(self, nowhere: Place) -> None:
        with pytest.raises(CassandraCrashed, match="OutOfMemoryError") as failure:
            start_embedded(nowhere.directory, nowhere.port, heap_mb=8)
        assert "node1/logs" in failure.value.way_out
        assert processes_of(nowhere.directory) == []

    def test_a_start_that_takes_too_long_is_ended(self, nowhere: Place) -> None:
        with pytest.raises(CassandraStartTimeout):
            start_embedded(nowhere.directory, nowhere.port, timeout_seconds=0.5)
        assert processes_of(nowhere.directory) == []

    @pytest.mark.parametrize(
        ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)], ids=["Ctrl-C", "SIGTERM"]
    )
    def test_an_interrupted_start_leaves_nothing_running(
        self, nowhere: Place, number: signal.Signals, status: int
    ) -> None:
        script = nowhere.script("--mode", "embedded")
        deadline = time.monotonic() + 60
        while not processes_of(nowhere.directory):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        script.send_signal(number)
        script.communicate(timeout=60)
        assert script.returncode == status
        assert processes_of(nowhere.directory) == []


def test_it_starts_in_a_folder_with_accents_whatever_the_locale(tmp_path: Path) -> None:
    place = Place(tmp_path / "données é ü" / ".cassandra", free_port())
    try:
        status, out, err = place.run(LC_ALL="C")
        assert status == 0, out + err
    finally:
        place.run("--stop", LC_ALL="C")


def test_three_nodes_serve_quorum_without_one_and_get_it_back(tmp_path: Path) -> None:
    port = free_port()
    try:
        state = start_embedded(tmp_path, port, 3)
        assert state.is_complete
        with cassandra_session(replace(state.endpoint, write_consistency="ALL")) as session:
            session.execute(
                "CREATE KEYSPACE shared WITH replication ="
                " {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}",
                execution_profile=SCHEMA,
            )
            session.execute("CREATE TABLE shared.rows (id int PRIMARY KEY)", execution_profile=SCHEMA)
            session.execute("INSERT INTO shared.rows (id) VALUES (1)")
        second = state.nodes[1].pid
        assert second is not None
        os.kill(second, signal.SIGKILL)
        quorum = replace(state.endpoint, read_consistency="QUORUM", request_timeout_seconds=30)
        with cassandra_session(quorum) as session:
            read = idempotent("SELECT id FROM shared.rows WHERE id = 1")
            assert session.execute(read, execution_profile=READ).one() == (1,)
        again = start_embedded(tmp_path, port, 3)
        assert (again.started, again.is_complete) == (1, True)
        assert [again.nodes[i].pid == state.nodes[i].pid for i in range(3)] == [True, False, True]
    finally:
        stop_embedded(tmp_path)
    assert processes_of(tmp_path) == []
