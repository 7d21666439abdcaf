"""One node under a server that is asked at a constant rate: the process killed, its disk full."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_report import Seen
from place import Place, make_place
from ports import free_port
from predictions import Predictions
from quick_java import quick_java
from server_process import ServerProcess
from small_model import register
from stored_features import environment

from poc.definitions import ServedFeatures
from poc.local_cassandra.embedded import embedded_state, start_embedded, stop_embedded
from poc.measurement.cluster import bring_back, kill
from poc.online_store.session import cassandra_session

pytestmark = [pytest.mark.alone, pytest.mark.timeout(900)]

BUDGET_SECONDS = 1.0
AGAIN = "503 within the budget while it is away, and every prediction afterwards is the one from before"


@pytest.fixture(scope="module")
def place(
    copy_project: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
    definitions: ServedFeatures,
) -> Iterator[Place]:
    """A project with everything done, on a node of its own."""
    folder = tmp_path_factory.mktemp("one")
    with quick_java():
        cassandra = start_embedded(folder / "cassandra", free_port())
    made = make_place(folder / "project", "rows.yaml", cassandra, copy_project)
    for script in ("feast_setup", "feast_materialize"):
        status, said = made.run(f"scripts/{script}.py")
        assert status == 0, said
    register(made.settings, definitions)
    yield made
    stop_embedded(folder / "cassandra")


@pytest.fixture
def server(place: Place, tmp_path: Path) -> Iterator[ServerProcess]:
    variables = environment(place.settings)
    started = ServerProcess("poc/serve_model_feast.py", free_port(), variables, tmp_path, sys.executable)
    started.wait_until_ready()
    yield started
    started.kill()


@pytest.mark.fault("Cassandra", "kill -9 under load, then started again", AGAIN)
def test_killed_cassandra_is_served_from_again(place: Place, server: ServerProcess, seen: Seen) -> None:
    [node] = place.cassandra.nodes
    with Predictions(server) as load:
        time.sleep(2)
        killed = time.monotonic()
        kill(node)
        time.sleep(2)
        bring_back(place.settings, place.cassandra)
        back = time.monotonic()
        server.wait_until_ready(60)
        time.sleep(2)
    assert 503 in {answer.status for answer in load.asked(killed, back)} <= {200, 503}
    load.require_only_interrupted(killed, back, BUDGET_SECONDS, seen)


@pytest.mark.fault("Cassandra", "its disk is full", f"{AGAIN}; no acknowledged write is lost")
def test_full_disk_of_cassandra_loses_no_acknowledged_write(
    place: Place, server: ServerProcess, seen: Seen
) -> None:
    """No file of the node's may grow: what a disk without space says to it as well."""
    running = embedded_state(place.settings.cassandra_dir)
    assert running is not None
    pid = running.nodes[0].pid
    assert pid is not None
    written = 0
    with cassandra_session(place.cassandra.endpoint) as session, Predictions(server) as load:
        session.execute(
            "CREATE KEYSPACE filled WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE filled.rows (number int PRIMARY KEY, content blob)")
        insert = session.prepare("INSERT INTO filled.rows (number, content) VALUES (?, ?)")
        time.sleep(2)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        full = time.monotonic()
        with pytest.raises(Exception, match=r"(?i)unavailable|timed out|timeout|write|closed|unable"):
            while written < 200:
                session.execute(insert, (written, bytes(1_000_000)), timeout=5)
                written += 1
        status, said = place.run("scripts/feast_materialize.py", "--full")
        assert (status, "Traceback" in said) == (1, False), said
        stop_embedded(place.settings.cassandra_dir)
        bring_back(place.settings, place.cassandra)
        back = time.monotonic()
        server.wait_until_ready(60)
        time.sleep(2)
    assert 503 in {answer.status for answer in load.asked(full, back)} <= {200, 503}
    load.require_only_interrupted(full, back, BUDGET_SECONDS, seen)
    with cassandra_session(place.cassandra.endpoint) as session:
        found = {row.number for row in session.execute("SELECT number FROM filled.rows", timeout=60)}
    lost = set(range(written)) - found
    seen("acknowledged writes", written, "")
    seen("acknowledged writes lost", len(lost), "")
    assert written > 0
    assert lost == set()
    status, said = place.run("scripts/feast_materialize.py", "--full")
    assert status == 0, said
