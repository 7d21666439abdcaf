"""Three nodes, and what is left to notice when one of them is killed or frozen.

The tests share a cluster and what was materialized into it, and bring back what they take away.
"""

import asyncio
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fault_report import Seen
from few_records import TRANSACTIONS
from own_keyspace import drop_keyspaces, own_keyspace
from place import Place, make_place

from poc.errors import CassandraUnavailable
from poc.feature_store import cassandra_connection, connection_of, open_feature_store
from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.measurement.cluster import bring_back, cluster_to_drill, frozen, kill
from poc.monitoring.state import State, StateReader, open_state_reader
from poc.online_store.errors import ReplicationDiffers
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA, Session, cassandra_session, prepare

pytestmark = [pytest.mark.alone, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def place(
    cluster: EmbeddedCassandra, copy_project: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A project on the cluster, its features applied and materialized by the guide's scripts."""
    made = make_place(tmp_path_factory.mktemp("faults") / "project", "cluster.yaml", cluster, copy_project)
    for script in ("feast_setup", "feast_materialize"):
        status, said = made.run(f"scripts/{script}.py")
        assert status == 0, said
    yield made
    drop_keyspaces(cluster.endpoint)


@pytest.fixture(scope="module")
def session(place: Place) -> Iterator[Session]:
    with cassandra_session(
        replace(cassandra_connection(place.settings), request_timeout_seconds=60)
    ) as opened:
        yield opened


def replication_of(session: Session, keyspace: str) -> dict[str, str]:
    query = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
    return dict(session.execute(query, (keyspace,)).one().replication)


class TestReplication:
    @pytest.mark.parametrize("keyspace", ["feast_online_store", "ml_features"])
    def test_every_keyspace_has_three_copies_in_its_data_centre(
        self, session: Session, keyspace: str
    ) -> None:
        assert replication_of(session, keyspace) == {
            "class": "org.apache.cassandra.locator.NetworkTopologyStrategy",
            "datacenter1": "3",
        }

    def test_other_copies_are_reported_by_both_ways_and_not_altered(
        self, place: Place, session: Session
    ) -> None:
        keyspace = f"test_{uuid.uuid4().hex[:12]}"
        session.execute(
            f"CREATE KEYSPACE {keyspace}"
            " WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 2}"
        )
        try:
            store = open_feature_store(place.settings)
            with pytest.raises(ReplicationDiffers, match=r"'2'.*3"):
                ensure_keyspace(session, connection_of(store), keyspace)
            store.config.online_store.keyspace = keyspace
            with pytest.raises(ReplicationDiffers, match=r"'2'.*3"):
                store._get_provider().online_store.update(store.config, [], [], [], [], False)
            store._get_provider().online_store.close()
            assert replication_of(session, keyspace)["datacenter1"] == "2"
        finally:
            session.execute(f"DROP KEYSPACE {keyspace}")


def test_statements_go_to_a_node_that_has_the_row_and_no_session_reads_all_of_the_schema(
    place: Place, session: Session
) -> None:
    connection = cassandra_connection(place.settings)
    with own_keyspace(session) as keyspace, cassandra_session(connection) as opened:
        session.execute(f"CREATE TABLE {keyspace}.t (id text PRIMARY KEY)", execution_profile=SCHEMA)
        insert = prepare(opened, f"INSERT INTO {keyspace}.t (id) VALUES (?)")
        known = opened.cluster.metadata
        assert set(known.keyspaces) == {keyspace}
        for number in range(20):
            bound = insert.bind((str(number),))
            sent = opened.execute_async(bound)
            sent.result()
            assert sent.coordinator_host in known.get_replicas(keyspace, bound.routing_key)


@pytest.mark.fault(
    "Three nodes",
    "one killed, then another frozen, under load",
    "no read fails, no acknowledged write is lost, no read that began after an acknowledged write misses it",
)
def test_under_load_a_killed_and_a_frozen_node_fail_no_read_and_lose_no_write(
    place: Place, seen: Seen
) -> None:
    status, said = place.run("scripts/fault_drill.py", "--seconds", "4")
    assert status == 0, said
    assert "reads, none failed" in said
    assert "acknowledged writes, all there" in said
    assert "| 127.0.0.2 killed |" in said
    assert "| 127.0.0.1 frozen |" in said
    assert "of the newest acknowledged write, none missed it" in said
    reads, acknowledged, later = (
        int(re.search(pattern, said)[1].replace(",", ""))
        for pattern in (
            "([\\d,]+) reads, none",
            "([\\d,]+) acknowledged writes",
            "([\\d,]+) reads of the newest",
        )
    )
    seen("reads", reads + later, "")
    seen("failed reads", 0, "")
    seen("acknowledged writes", acknowledged, "")
    seen("acknowledged writes lost", 0, "")


class TestKilledNode:
    @pytest.fixture(scope="class", autouse=True)
    def one_is_killed(self, place: Place) -> Iterator[None]:
        kill(place.cassandra.nodes[2])
        yield
        bring_back(place.settings, place.cassandra)

    def test_the_drill_wants_all_three(self, place: Place) -> None:
        status, said = place.run("scripts/fault_drill.py")
        assert (status, "127.0.0.3 does not answer" in said) == (1, True), said

    @pytest.mark.fault("Three nodes", "one killed, then materialization", "it completes and switches")
    def test_materialization_goes_on(self, place: Place) -> None:
        _, before = place.run("scripts/feast_materialize.py", "--generations")
        status, said = place.run("scripts/feast_materialize.py", "--full")
        assert status == 0, said
        assert "Feature Materialization Complete!" in said
        _, after = place.run("scripts/feast_materialize.py", "--generations")
        served = [int(text.partition(": generation ")[2].split()[0]) for text in (before, after)]
        assert served[1] == served[0] + 1

    def test_direct_reads_run_at_the_level_of_the_yaml(self, place: Place) -> None:
        demanding = place.yaml.with_name("demanding.yaml")
        demanding.write_text(place.yaml.read_text().replace("LOCAL_QUORUM", "ALL"))
        patient = open_source(place, "direct_source.open_direct_source")
        strict = open_source(
            Place(place.folder, demanding, place.cassandra), "direct_source.open_direct_source"
        )
        try:
            assert asyncio.run(patient.read([("12345",)]))[0].values["amount"] == 500.0
            with pytest.raises(CassandraUnavailable):
                asyncio.run(strict.read([("12345",)]))
        finally:
            patient.close()
            strict.close()

    def test_status_says_how_many_are_up(self, place: Place) -> None:
        status, said = place.run("scripts/start_cassandra.py", "--status")
        assert status == 0
        assert "2 of 3 node(s) up" in said

    def test_state_tells_of_the_nodes_that_are_left_and_which_is_lost(self, place: Place) -> None:
        with state_reader(place) as reader:
            state = read_until(reader, {"127.0.0.1": True, "127.0.0.2": True, "127.0.0.3": False})
        assert {node for _, _, node in state.size_bytes} == {"127.0.0.1", "127.0.0.2"}
        assert state.views[0].last_run is not None


class TestTwoKilledNodes:
    @pytest.mark.fault(
        "Three nodes", "two killed", "reads fail with the way out; served again once they are back"
    )
    def test_reads_that_need_two_copies_fail_until_they_are_back(self, place: Place, seen: Seen) -> None:
        opened = open_source(place, "feast_source.open_feast_source")

        async def lose_two() -> float:
            before = await opened.read([("12345",)])
            try:
                # Others may have been killed and started again before.
                for node in cluster_to_drill(place.settings).nodes[1:]:
                    kill(node)
                with pytest.raises(CassandraUnavailable) as refused:
                    await opened.read([("12345",)])
                assert refused.value.way_out
                status, said = place.run("scripts/feast_materialize.py", "--full")
                assert (status, "Traceback" in said) == (1, False), said
            finally:
                bring_back(place.settings, place.cassandra)
            back = time.monotonic()
            while True:
                try:
                    assert await opened.read([("12345",)]) == before
                    return time.monotonic() - back
                except CassandraUnavailable:
                    assert time.monotonic() < back + 60

        try:
            seen("served again after", asyncio.run(lose_two()), "s")
        finally:
            opened.close()


class TestFrozenNode:
    def test_state_is_read_without_the_sizes_of_the_frozen_node(self, place: Place) -> None:
        with state_reader(place) as reader:
            # Three copies on three nodes, counted once; one that was killed is soon told what it missed.
            counted_once = pytest.approx([TRANSACTIONS] * 2, rel=0.15)
            whole = dict.fromkeys(("127.0.0.1", "127.0.0.2", "127.0.0.3"), True)
            read_until(reader, whole, lambda state: list(state.entities.values()) == counted_once)
            # The one that no test has killed: the others have other process ids since.
            with frozen(place.cassandra.nodes[0]):
                state = reader.read()
        assert state.nodes == {"127.0.0.1": False, "127.0.0.2": True, "127.0.0.3": True}
        assert state.views[0].last_run is not None

    @pytest.mark.fault("Three nodes", "one frozen in mid materialization", "it completes")
    def test_materialization_that_is_under_way_goes_on(self, place: Place) -> None:
        process = place.start("scripts/feast_materialize.py", "--full", "--debug")
        said: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("Materializing"):
                break
        with frozen(place.cassandra.nodes[0]), suppress(subprocess.TimeoutExpired):
            process.wait(20)
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, "".join(said) + err
        assert "Feature Materialization Complete!" in out

    @pytest.mark.parametrize("source", ["feast_source.open_feast_source", "direct_source.open_direct_source"])
    @pytest.mark.fault("Three nodes", "one frozen while servers read", "no read fails")
    def test_no_awaited_read_of_the_servers_fails(self, place: Place, source: str) -> None:
        # Less than it takes to give the node up: every read that it was asked for needs another node.
        opened = open_source(place, source, timeout_seconds=8)

        async def failed() -> list[Exception]:
            errors: list[Exception] = []
            assert await opened.read([("12345",)]) != [None]
            with frozen(place.cassandra.nodes[0]):
                until = time.monotonic() + 4
                while time.monotonic() < until:
                    try:
                        assert await opened.read([("12345",)]) != [None]
                    except Exception as error:
                        errors.append(error)
            return errors

        try:
            assert asyncio.run(failed()) == []
        finally:
            opened.close()


def open_source(place: Place, name: str, timeout_seconds: float = 20) -> Any:
    """Open the feature source that the function `name` of poc.retrieval opens."""
    module, function = name.split(".")
    settings = place.settings.model_copy(update={"feature_timeout_seconds": timeout_seconds})
    return getattr(import_module(f"poc.retrieval.{module}"), function)(settings)


@contextmanager
def state_reader(place: Place) -> Iterator[StateReader]:
    reader = open_state_reader(place.settings)
    yield reader
    reader.close()


def read_until(
    reader: StateReader, nodes: dict[str, bool], and_also: Callable[[State], bool] = lambda _: True
) -> State:
    """Read until it is those nodes that answer: connections are made one after the other."""
    deadline = time.monotonic() + 60
    while (state := reader.read()).nodes != nodes or not and_also(state):
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return state
