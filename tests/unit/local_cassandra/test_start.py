import socket
from pathlib import Path
from typing import Any

import pytest

from poc.errors import (
    CassandraElsewhere,
    NotInDocker,
    NotStartedHere,
    PortTaken,
)
from poc.local_cassandra.start import ensure_cassandra, running_cassandra, stop_cassandra
from poc.settings import Settings

FEATURE_REPO = Path(__file__).parents[3] / "feature_repo"


def settings_at(tmp_path: Path, port: int, *hosts: str) -> Settings:
    return Settings(
        feast_repo_path=FEATURE_REPO,
        cassandra_dir=tmp_path / "cassandra",
        cassandra_hosts=hosts or ("127.0.0.1",),
        cassandra_port=port,
    )


def test_one_that_answers_is_taken_and_nothing_is_started(
    stand_in: Any, cql_port: int, tmp_path: Path
) -> None:
    running = ensure_cassandra(settings_at(tmp_path, cql_port))
    assert (running.kind, running.started) == ("other", False)


def test_one_that_answers_from_docker_is_known_as_such(stand_in: Any, cql_port: int, tmp_path: Path) -> None:
    stand_in.program("docker", {}, prints={"docker compose ps": "0123abcd"})
    running = ensure_cassandra(settings_at(tmp_path, cql_port))
    assert (running.kind, running.started) == ("docker", False)


def test_where_an_engine_answers_docker_is_asked_before_an_embedded_one_is_started(
    stand_in: Any, tmp_path: Path
) -> None:
    stand_in.program("docker", {"docker compose up": 17})
    with pytest.raises(Exception, match="docker compose up"):
        ensure_cassandra(settings_at(tmp_path, 1))


def test_a_port_with_another_program_is_an_error_and_nothing_is_started(
    stand_in: Any, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}"):
            ensure_cassandra(settings_at(tmp_path, port))


def test_nothing_is_started_here_for_hosts_elsewhere(stand_in: Any, tmp_path: Path) -> None:
    stand_in.program("docker", {})
    with pytest.raises(CassandraElsewhere, match=r"cassandra\.invalid:9042"):
        ensure_cassandra(settings_at(tmp_path, 9042, "cassandra.invalid"))
    assert stand_in.calls == []


@pytest.mark.parametrize("host", ["::1", "127.0.0.5"])
def test_nothing_is_started_for_an_address_of_this_machine_at_which_it_would_not_listen(
    stand_in: Any, tmp_path: Path, host: str
) -> None:
    stand_in.program("docker", {})
    with pytest.raises(CassandraElsewhere, match=f"{host}:1, and one of this project would not either"):
        ensure_cassandra(settings_at(tmp_path, 1, host))
    assert stand_in.calls == []


def test_docker_runs_one_node_only(stand_in: Any, tmp_path: Path) -> None:
    with pytest.raises(NotInDocker, match="one Cassandra node here, not 3"):
        ensure_cassandra(settings_at(tmp_path, 9042), mode="docker", nodes=3)


def test_docker_runs_no_secure_one(stand_in: Any, tmp_path: Path) -> None:
    with pytest.raises(NotInDocker, match="without TLS and password"):
        ensure_cassandra(settings_at(tmp_path, 9042), mode="docker", secure=True)


def test_one_without_tls_is_not_given_for_a_secure_one(stand_in: Any, cql_port: int, tmp_path: Path) -> None:
    with pytest.raises(NotStartedHere):
        ensure_cassandra(settings_at(tmp_path, cql_port), secure=True)


def test_several_nodes_are_not_given_as_the_one_that_somebody_else_started(
    stand_in: Any, cql_port: int, tmp_path: Path
) -> None:
    with pytest.raises(NotStartedHere):
        ensure_cassandra(settings_at(tmp_path, cql_port), nodes=3)


def test_where_nothing_answers_nothing_runs(stand_in: Any, tmp_path: Path) -> None:
    assert running_cassandra(settings_at(tmp_path, 1)) is None


def test_a_stop_with_nothing_running_does_nothing(stand_in: Any, tmp_path: Path) -> None:
    assert stop_cassandra(settings_at(tmp_path, 1)) is None


def test_a_stop_stops_docker_s(stand_in: Any, cql_port: int, tmp_path: Path) -> None:
    stand_in.program("docker", {}, prints={"docker compose ps": "0123abcd"})
    assert stop_cassandra(settings_at(tmp_path, cql_port)) == "docker"
    assert stand_in.calls[-1] == f"docker compose stop cassandra, port {cql_port}"


def test_a_stop_leaves_somebody_else_s_alone(stand_in: Any, cql_port: int, tmp_path: Path) -> None:
    assert stop_cassandra(settings_at(tmp_path, cql_port)) is None
