"""The ways into a Cassandra that a feature_store.yaml can state, through every script, on a real one.

Its data centre is `0`, after its address: a name that nothing of this project or of Feast takes for granted.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from own_keyspace import drop_keyspaces
from place import Place, make_place
from ports import free_port
from protocol_proxy import ProtocolProxy
from quick_java import quick_java
from server_process import ServerProcess

from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.local_cassandra.embedded import start_embedded, stop_embedded
from poc.online_store.session import cassandra_session, idempotent, local_data_centre

STOCK, ROWS = "../feature_store.yaml", "rows.yaml"
BOTH = pytest.mark.parametrize("store", [STOCK, ROWS], ids=["stock", "rows"])
POLICY = {"load_balancing_policy": "TokenAwarePolicy(DCAwareRoundRobinPolicy)"}
# As Cassandra reads its settings beside cassandra.yaml.
RACK_INFERRING = (
    "-Dcassandra.config.allow_system_properties=true",
    "-Dcassandra.settings.endpoint_snitch=RackInferringSnitch",
)
STEPS = (
    ("scripts/feast_setup.py",),
    ("scripts/feast_materialize.py",),
    ("scripts/test_feast.py",),
    ("scripts/check_consistency.py",),
)
COMPARISON = ("scripts/compare_feast_cassandra.py", "--requests", "50", "--batch-sizes", "1")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCassandra]:
    """One node, in data centre `0`."""
    folder = tmp_path_factory.mktemp("elsewhere") / "cassandra"
    with quick_java(*RACK_INFERRING):
        started = start_embedded(folder, free_port())
    with cassandra_session(started.endpoint) as session:
        assert local_data_centre(session) == "0"
    yield started
    stop_embedded(folder)


@pytest.fixture(scope="module")
def copy(
    elsewhere: EmbeddedCassandra,
    tmp_path_factory: pytest.TempPathFactory,
    copy_project: Callable[[Path], Path],
) -> Place:
    """A copy of the project, whose data is prepared and whose model is trained."""
    place = make_place(tmp_path_factory.mktemp("copy") / "project", ROWS, elsewhere, copy_project)
    for step in (("scripts/feast_setup.py",), ("poc/train_fraud_model.py",)):
        status, said = place.run(*step)
        assert status == 0, said
    return place


@pytest.fixture
def stated(copy: Place, elsewhere: EmbeddedCassandra) -> Iterator[Any]:
    """Makes the place of a yaml whose `online_store` states more: on fresh keyspaces and registry."""
    keyspace, direct, name = "connection_features", "connection_direct", uuid.uuid4().hex

    def make(store: str, **keys: Any) -> Place:
        whole = yaml.safe_load((copy.yaml.parent / store).read_text())
        whole["online_store"] |= {"port": elsewhere.port, "keyspace": keyspace} | keys
        path = copy.yaml.with_name(f"{name}.yaml")
        path.write_text(yaml.safe_dump(whole | {"registry": f"data/{name}.db"}))
        return replace(copy, yaml=path)

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DIRECT_KEYSPACE", direct)
        yield make
    drop_keyspaces(elsewhere.endpoint, (keyspace, direct))


def run(place: Place, *command: str, **environment: str) -> str:
    """What a script printed that ended well, with nothing of other packages in it."""
    status, said = place.run(*command, environment=environment)
    assert status == 0, said
    assert "Warning" not in said
    assert "WARNING" not in said
    return said


def refusal(place: Place, *command: str, **environment: str) -> str:
    """The line that a script was refused with; what to do stands below it."""
    status, said = place.run(*command, environment=environment)
    refused = said[said.index("✗") :].splitlines()
    assert (status in (1, 2), len(refused)) == (True, 2), said
    return refused[0]


def predictions(place: Place, **environment: str) -> list[float]:
    """The score of one transaction, from the server with Feast and from the one without."""
    scores = []
    for script in ("poc/serve_model_feast.py", "poc/serve_model.py"):
        server = ServerProcess(script, free_port(), place.environment | environment, place.folder)
        try:
            server.wait_until_ready()
            answer = server.predict()
            assert answer.status_code == httpx.codes.OK, answer.text
            scores.append(answer.json()["fraud_probability"])
        finally:
            server.kill()
    return scores


@pytest.mark.parametrize(
    ("store", "keys"),
    [
        pytest.param(STOCK, {}, id="stock"),
        pytest.param(ROWS, {"load_balancing": POLICY | {"local_dc": "0"}}, id="rows-policy"),
    ],
)
def test_a_data_centre_of_any_name_is_worked_in_by_every_script(
    stated: Any, store: str, keys: dict[str, Any]
) -> None:
    place = stated(store, **keys)
    for step in STEPS:
        run(place, *step)
    assert "Direct Cassandra" in run(place, *COMPARISON)
    feast, direct = predictions(place)
    assert feast == direct


@pytest.mark.parametrize(
    ("store", "keys"),
    [
        pytest.param(STOCK, {"load_balancing": POLICY | {"local_dc": "Frankfurt"}}, id="stock"),
        pytest.param(ROWS, {"local_dc": "Frankfurt"}, id="rows"),
    ],
)
@pytest.mark.parametrize("script", ["scripts/feast_setup.py", "scripts/feast_materialize.py"])
def test_a_data_centre_that_is_not_there_is_refused_with_those_that_are(
    stated: Any, store: str, keys: dict[str, Any], script: str
) -> None:
    place = stated(store, **keys)
    where = f"localhost:{place.cassandra.port}"
    assert refusal(place, script) == f"✗ The Cassandra at {where} has no data centre 'Frankfurt', but 0"


@pytest.fixture
def older(elsewhere: EmbeddedCassandra) -> Iterator[ProtocolProxy]:
    """The same Cassandra as a server that knows protocol 4 at most."""
    proxy = ProtocolProxy(("127.0.0.1", elsewhere.port))
    yield proxy
    proxy.close()


@pytest.mark.parametrize(("version", "store"), [(4, ROWS), (None, STOCK)], ids=["stated", "found out"])
def test_a_server_of_protocol_4_is_spoken_to_in_it(
    stated: Any, older: ProtocolProxy, store: str, version: int | None
) -> None:
    place = stated(store, protocol_version=version)
    for step in STEPS:
        run(place, *step, CASSANDRA_PORT=str(older.port))
    feast, direct = predictions(place, CASSANDRA_PORT=str(older.port))
    assert feast == direct
    assert set(older.refused) == ({5} if version is None else set())


@pytest.mark.parametrize("driver", ["acsylla", "cassandra-driver"])
def test_a_server_reads_in_protocol_4_with_either_driver(
    stated: Any, older: ProtocolProxy, driver: str
) -> None:
    if driver == "acsylla":
        pytest.importorskip("acsylla")
    place = stated(ROWS)
    for step in STEPS[:2]:
        run(place, *step)
    environment = {"CASSANDRA_PORT": str(older.port), "FEATURE_DRIVER": driver}
    feast, direct = predictions(place, **environment)
    assert feast == direct


def test_a_protocol_that_the_server_does_not_know_is_refused(stated: Any, older: ProtocolProxy) -> None:
    place = stated(ROWS, protocol_version=5)
    said = refusal(place, "scripts/feast_setup.py", CASSANDRA_PORT=str(older.port))
    assert said.endswith(f":{older.port} does not speak version 5 of CQL's protocol")


def replication(place: Place) -> dict[str, str]:
    with cassandra_session(place.cassandra.endpoint) as session:
        read = idempotent("SELECT keyspace_name, replication FROM system_schema.keyspaces")
        found = {row.keyspace_name: dict(row.replication) for row in session.execute(read)}
    feast, direct = found["connection_features"], found["connection_direct"]
    assert feast == direct
    return {name: copies for name, copies in feast.items() if name != "class"}


@pytest.mark.parametrize("keys", [{"replication": {"0": 1}}, {"replication_factor": 1}, {}])
def test_keyspaces_are_made_with_the_copies_that_are_stated(stated: Any, keys: dict[str, Any]) -> None:
    place = stated(ROWS, **keys)
    run(place, "scripts/feast_setup.py")
    assert replication(place) == {"0": "1"}
    # And are used as they are, whether or not it is said again.
    run(place, "scripts/feast_setup.py")
    run(stated(ROWS), "scripts/feast_materialize.py")


@pytest.mark.parametrize("keys", [{"replication": {"0": 2}}, {"replication_factor": 2}])
def test_keyspaces_with_other_copies_than_stated_are_refused(stated: Any, keys: dict[str, Any]) -> None:
    run(stated(ROWS), "scripts/feast_setup.py")
    said = refusal(stated(ROWS, **keys), "scripts/feast_setup.py")
    assert "Keyspace connection_features has replication" in said
    assert replication(stated(ROWS)) == {"0": "1"}


def test_copies_in_a_data_centre_that_is_not_there_are_refused(stated: Any) -> None:
    said = refusal(stated(ROWS, replication={"datacenter1": 3}), "scripts/feast_setup.py")
    assert said.endswith("has no data centre 'datacenter1', but 0")


def test_one_host_may_be_a_text_on_the_row_store(stated: Any) -> None:
    place = stated(ROWS, hosts="localhost")
    for step in STEPS:
        run(place, *step)


def test_feast_s_own_store_refuses_one_host_as_a_text_by_its_name(stated: Any) -> None:
    said = refusal(stated(STOCK, hosts="localhost"), "scripts/feast_setup.py")
    assert "online_store.hosts: " in said
    assert "[localhost]" in said


@BOTH
def test_what_is_empty_in_the_yaml_is_not_stated(stated: Any, store: str) -> None:
    empty: dict[str, Any] = {"username": "", "password": None, "protocol_version": None}
    place = stated(store, **(empty | {"local_dc": None} if store == ROWS else empty), port=None)
    for step in STEPS[:3]:
        run(place, *step)
