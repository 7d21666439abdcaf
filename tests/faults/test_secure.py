"""A Cassandra that wants TLS, a client's certificate and a password: what works, is refused, would leak."""

import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from place import Place, make_place
from ports import free_port
from quick_java import quick_java

from poc.errors import CassandraLoginRefused, OtherClusterRunning
from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.local_cassandra.embedded import start_embedded, stop_embedded
from poc.local_cassandra.secure import ensure_certificates, read_credentials
from poc.online_store.connection import Credentials
from poc.online_store.session import cassandra_session

READ_THROUGH_BOTH = """
import asyncio
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.settings import load_settings
async def amount(source):
    await source.check()
    return (await source.read([("12345",)]))[0].values["amount"]
for open_source in (open_feast_source, open_direct_source):
    source = open_source(load_settings())
    print(source.name, asyncio.run(amount(source)))
    source.close()
"""


READ_STATE = """
from poc.monitoring.state import open_state_reader
from poc.settings import load_settings
reader = open_state_reader(load_settings())
state = reader.read()
reader.close()
assert state.nodes == {"127.0.0.1": True}
assert state.size_bytes and state.entities and state.views[0].last_run
"""
READ_STATE_WITHOUT_SIZES = READ_STATE.replace("assert state.size_bytes", "assert not state.size_bytes")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCassandra]:
    folder = tmp_path_factory.mktemp("secure") / "cassandra"
    with quick_java():
        started = start_embedded(folder, free_port(), secure=True)
    yield started
    stop_embedded(folder)


@pytest.fixture(scope="module")
def login(secure: EmbeddedCassandra) -> Credentials:
    kept = read_credentials(secure.folder.parent / "credentials")
    assert kept is not None
    return kept


@pytest.fixture(scope="module")
def place(
    secure: EmbeddedCassandra, copy_project: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Place:
    folder = tmp_path_factory.mktemp("secure project") / "project"
    return make_place(folder, "cluster_secure.yaml", secure, copy_project)


@pytest.fixture(scope="module")
def mounted(login: Credentials, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that a pod with a mounted secret has."""
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text(f"{login.password}\n")
    return {"CASSANDRA_USERNAME": login.username, "CASSANDRA_PASSWORD_FILE": str(secret)}


def test_setup_materialization_and_reads_of_both_sources_work(
    place: Place, mounted: dict[str, str], login: Credentials
) -> None:
    said = ""
    for script in ("feast_setup", "feast_materialize"):
        status, printed = place.run(f"scripts/{script}.py", environment=mounted)
        assert status == 0, printed
        said += printed
    status, printed = place.run("-c", READ_THROUGH_BOTH, environment=mounted)
    assert status == 0, printed
    assert "feast 500.0\ndirect 500.0\n" in printed
    assert login.password not in said + printed


@pytest.mark.fault(
    "Access", "a role is used for what it may not do", "refused with the way out; its own work is done"
)
def test_each_role_may_do_its_work_and_nothing_else(
    place: Place, login: Credentials, secure: EmbeddedCassandra
) -> None:
    as_owner = {"CASSANDRA_USERNAME": login.username, "CASSANDRA_PASSWORD": login.password}
    assert place.run("scripts/feast_setup.py", environment=as_owner)[0] == 0
    status, said = place.run("scripts/make_roles.py", environment=as_owner)
    assert status == 0, said

    def run(role: str, *command: str) -> tuple[int, str]:
        kept = read_credentials(place.settings.cassandra_dir / role)
        assert kept is not None
        environment = {"CASSANDRA_USERNAME": kept.username, "CASSANDRA_PASSWORD": kept.password}
        status, said = place.run(*command, environment=environment)
        assert kept.password not in said
        assert "Traceback" not in said
        return status, said

    for command in (("scripts/feast_materialize.py", "--full"), ("scripts/feast_setup.py",)):
        status, said = run("feast_writer", *command)
        assert status == 0, said
    for command in (
        ("scripts/test_feast.py",),
        ("scripts/check_consistency.py",),
        ("-c", READ_THROUGH_BOTH),
        ("-c", READ_STATE),
    ):
        status, said = run("feast_reader", *command)
        assert status == 0, said
    for role, script in (("feast_reader", "feast_materialize"), ("feast_writer", "make_roles")):
        status, said = run(role, f"scripts/{script}.py")
        assert status == 1, said
        assert "refuses: " in said
        assert "scripts/make_roles.py makes one that reads and one that writes" in said
    # A role that others made reads the two keyspaces, and nothing of the nodes' own.
    owned = replace(secure.endpoint, username=login.username, password=login.password)
    with cassandra_session(owned) as owner:
        owner.execute("REVOKE SELECT ON KEYSPACE system_views FROM feast_reader")
    status, said = run("feast_reader", "-c", READ_STATE_WITHOUT_SIZES)
    assert status == 0, said


def test_feast_s_own_command_logs_in_too(place: Place, login: Credentials) -> None:
    feast = ["-m", "feast.cli", "-c", "feature_repo", "-f", str(place.yaml), "apply"]
    environment = {"CASSANDRA_USERNAME": login.username, "CASSANDRA_PASSWORD": login.password}
    lines = f"import sys; from feast.cli import cli; sys.argv = {['feast', *feast[2:]]!r}; cli()"
    status, said = place.run("-c", lines, environment=environment)
    assert status == 0, said


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "none was given"),
        ({"CASSANDRA_USERNAME": "feast", "CASSANDRA_PASSWORD": "guessed-word"}, "'feast' are wrong"),
        ({"CASSANDRA_USERNAME": "cassandra", "CASSANDRA_PASSWORD": "cassandra"}, "'cassandra' are wrong"),
        ({"CASSANDRA_USERNAME": "feast"}, "neither CASSANDRA_PASSWORD nor CASSANDRA_PASSWORD_FILE"),
        (
            {"CASSANDRA_USERNAME": "feast", "CASSANDRA_PASSWORD_FILE": "no/such/file"},
            "CASSANDRA_PASSWORD_FILE=no/such/file",
        ),
    ],
    ids=["no credentials", "wrong password", "Cassandra's own user", "half of it", "no file"],
)
@pytest.mark.fault("Access", "wrong or no credentials", "refused, the setting named, no password shown")
def test_who_cannot_log_in_is_told_why_and_what_to_do(
    place: Place, environment: dict[str, str], named: str
) -> None:
    status, said = place.run("scripts/test_feast.py", environment=environment)
    assert status != 0
    assert named in said
    assert "CASSANDRA_USERNAME" in said
    assert "guessed-word" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("tls/ca.pem", "tls/no-such.pem", "no-such.pem: No such file"),
        ("tls/ca.pem", "tls/client.key", "TLS files of the online store cannot be used"),
        ("  tls:", "  # tls:", "it speaks TLS only"),
    ],
    ids=["missing ca", "no certificate", "no tls"],
)
def test_what_is_wrong_with_the_encryption_is_named(
    place: Place, mounted: dict[str, str], old: str, new: str, named: str
) -> None:
    text = place.yaml.read_text().replace(old, new)
    if new.startswith("  #"):
        text = "\n".join(line for line in text.splitlines() if "/tls/" not in line)
    other = place.yaml.with_name("other.yaml")
    other.write_text(text)
    status, said = Place(place.folder, other, place.cassandra).run(
        "scripts/test_feast.py", environment=mounted
    )
    assert (status, named in said, "Traceback" in said) == (1, True, False), said


@pytest.mark.fault("Access", "a certificate of somebody else", "refused, the file named")
def test_a_certificate_of_somebody_else_is_refused_and_the_own_one_taken(
    place: Place, mounted: dict[str, str], tmp_path: Path
) -> None:
    ensure_certificates(tmp_path / "tls", False)
    foreign, own = place.yaml.with_name("foreign.yaml"), place.yaml.read_text()
    [ca] = re.findall(r"\S*tls/ca\.pem", own)
    foreign.write_text(own.replace(ca, str(tmp_path / "tls/ca.pem")))
    other = Place(place.folder, foreign, place.cassandra)
    status, said = other.run("scripts/test_feast.py", environment=mounted)
    assert status == 1
    assert "No encrypted connection to Cassandra" in said
    assert "Name in online_store.tls the files that belong to this Cassandra" in said
    foreign.write_text(own)
    status, said = other.run("scripts/feast_setup.py", environment=mounted)
    assert status == 0, said


def test_status_needs_no_credentials_and_shows_none(place: Place, login: Credentials) -> None:
    status, said = place.run("scripts/start_cassandra.py", "--status")
    assert status == 0, said
    assert "embedded, secure, 1 of 1 node(s) up" in said
    assert login.password not in said


def test_the_user_that_cassandra_came_with_is_shut_out(secure: EmbeddedCassandra) -> None:
    default = replace(secure.endpoint, username="cassandra", password="cassandra")
    with pytest.raises(CassandraLoginRefused), cassandra_session(default):
        pass


def test_the_password_is_in_one_file_that_only_its_owner_reads(
    secure: EmbeddedCassandra, login: Credentials
) -> None:
    directory = secure.folder.parent
    holding = [
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and login.password.encode() in path.read_bytes()
    ]
    assert holding == ["credentials"]
    assert stat.S_IMODE((directory / "credentials").stat().st_mode) == 0o600
    process = psutil.Process(secure.nodes[0].pid)
    assert login.password not in " ".join(process.cmdline())
    assert login.password not in " ".join(process.environ().values())


def test_one_that_is_secure_is_not_started_again_without(secure: EmbeddedCassandra) -> None:
    with pytest.raises(OtherClusterRunning, match="with TLS and password"):
        start_embedded(secure.folder.parent, secure.port)
