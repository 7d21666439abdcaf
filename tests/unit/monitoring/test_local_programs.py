"""What `make monitor` runs: an installed Prometheus, else a container of the image in docker-compose.yml."""

import stat
from pathlib import Path

import pytest
import yaml

from poc.errors import ProgramMissing
from poc.monitoring.local_programs import grafana, prometheus
from poc.settings import Settings

ROOT = Path(__file__).parents[3]
SETTINGS = Settings(_env_file=None, prometheus_port=9191, grafana_port=3131)
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; the working directory is the project's."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str) -> None:
    """Put a program there that does nothing, successfully: for Docker, an engine that answers."""
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(stat.S_IRWXU)


def test_installed_prometheus_is_taken(programs: Path) -> None:
    put(programs, "prometheus")
    put(programs, "docker")
    command = prometheus(SETTINGS).command
    assert command[0] == str(programs / "prometheus")
    assert "--config.file=deploy/prometheus/prometheus.yml" in command
    assert "--storage.tsdb.path=data/prometheus" in command


def test_without_it_docker_runs_the_image_of_the_compose_file(programs: Path) -> None:
    put(programs, "docker")
    command = prometheus(SETTINGS).command
    assert command[:2] == ("docker", "run")
    assert SERVICES["prometheus"]["image"] in command
    assert f"{ROOT}/deploy/prometheus:/etc/prometheus:ro" in command
    assert f"{ROOT}/data/prometheus:/prometheus" in command


@pytest.mark.parametrize("installed", ["prometheus", "docker"])
def test_prometheus_listens_on_this_machine_only(programs: Path, installed: str) -> None:
    put(programs, installed)
    assert "--web.listen-address=127.0.0.1:9191" in prometheus(SETTINGS).command
    assert prometheus(SETTINGS).url == "http://127.0.0.1:9191"


def test_with_neither_the_way_out_is_named(programs: Path) -> None:
    with pytest.raises(ProgramMissing, match="apt-get install prometheus"):
        prometheus(SETTINGS)


def test_grafana_is_run_where_docker_is(programs: Path) -> None:
    assert grafana(SETTINGS) is None
    put(programs, "docker")
    program = grafana(SETTINGS)
    assert program is not None
    assert SERVICES["grafana"]["image"] == program.command[-1]
    for variable in (
        "PROMETHEUS_URL=http://127.0.0.1:9191",
        "GF_SERVER_HTTP_ADDR=127.0.0.1",
        "GF_AUTH_BASIC_ENABLED=false",
    ):
        assert variable in program.command
    assert program.url == "http://127.0.0.1:3131"
