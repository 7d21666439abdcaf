from typing import Any

import pytest

from poc.errors import DockerFailed, DockerUnavailable
from poc.local_cassandra.docker import compose_command, container_runs, engine_answers, start_container


def test_without_docker_no_engine_answers(stand_in: Any) -> None:
    assert engine_answers() is False


def test_the_command_without_an_engine_is_not_an_engine(stand_in: Any) -> None:
    stand_in.program("docker", {"docker version": 1})
    assert engine_answers() is False


def test_an_engine_that_tells_its_version_answers(stand_in: Any) -> None:
    stand_in.program("docker", {})
    assert engine_answers() is True


def test_compose_is_the_plugin_where_there_is_one(stand_in: Any) -> None:
    stand_in.program("docker", {})
    stand_in.program("docker-compose", {})
    assert compose_command() == ["docker", "compose"]


def test_compose_is_the_old_command_where_there_is_no_plugin(stand_in: Any) -> None:
    stand_in.program("docker", {"docker compose": 1})
    stand_in.program("docker-compose", {})
    assert compose_command() == ["docker-compose"]


def test_a_start_waits_for_health_and_passes_the_port_on(stand_in: Any, cql_port: int) -> None:
    stand_in.program("docker", {})
    start_container(cql_port)
    assert stand_in.calls[-1] == f"docker compose up --detach --wait cassandra, port {cql_port}"


def test_compose_1_is_not_asked_to_wait(stand_in: Any, cql_port: int) -> None:
    stand_in.program("docker", {"docker compose": 1})
    stand_in.program("docker-compose", {}, prints={"docker-compose version": "1.29.2"})
    start_container(cql_port)
    assert stand_in.calls[-1] == f"docker-compose up --detach cassandra, port {cql_port}"


def test_a_failed_start_stops_the_container_again(stand_in: Any) -> None:
    stand_in.program("docker", {"docker compose up": 17})
    with pytest.raises(DockerFailed, match="status 17"):
        start_container(9742)
    assert stand_in.calls[-1] == "docker compose stop cassandra, port 9742"


def test_a_container_that_does_not_answer_in_time_is_stopped_again(stand_in: Any) -> None:
    stand_in.program("docker", {})
    with pytest.raises(DockerFailed, match=r"nothing answers at 127\.0\.0\.1:1"):
        start_container(1, timeout_seconds=0)
    assert stand_in.calls[-1] == "docker compose stop cassandra, port 1"


def test_without_an_engine_the_error_names_the_other_way(stand_in: Any) -> None:
    with pytest.raises(DockerUnavailable) as failure:
        start_container(9742)
    assert failure.value.way_out.endswith("python scripts/start_cassandra.py --mode embedded")


def test_an_engine_without_compose_is_an_error_that_says_so(stand_in: Any) -> None:
    stand_in.program("docker", {"docker compose": 1})
    with pytest.raises(DockerUnavailable, match="Compose is not installed"):
        start_container(9742)


@pytest.mark.parametrize(("printed", "runs"), [("0123abcd", True), ("", False)])
def test_the_container_runs_if_compose_lists_it(stand_in: Any, printed: str, runs: bool) -> None:
    stand_in.program("docker", {}, prints={"docker compose ps": printed})
    assert container_runs() is runs
