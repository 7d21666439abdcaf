"""Prometheus and Grafana on this machine: with what they are run, and where they answer.

Knows the files in deploy/ and the two ways to run a program: installed, or as a container. Servers that
listen on the loopback address can be reached from a container only on the host's network.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from poc.database.docker import engine_answers
from poc.errors import PrometheusMissing
from poc.settings import Settings

LISTEN = "127.0.0.1"
COMPOSE = Path("docker-compose.yml")
PROMETHEUS_FILES = Path("deploy/prometheus")
GRAFANA_FILES = Path("deploy/grafana")


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is to be run until it is told to stop.

    Attributes:
        name: for a person.
        command: what runs it.
        port: where it listens.
        port_variable: what changes that.
        ready_path: what it answers with 200 once it can be used.
        start_seconds: how long that may take; a container's image may have to be fetched first.
    """

    name: str
    command: tuple[str, ...]
    port: int
    port_variable: str
    ready_path: str
    start_seconds: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LISTEN}:{self.port}"


def prometheus(settings: Settings) -> Program:
    """Give Prometheus with the rules of deploy/prometheus; its data is in the data folder.

    Raises:
        PrometheusMissing: it is not installed, and there is no Docker.
    """
    port, data = settings.prometheus_port, settings.data_dir / "prometheus"
    installed = shutil.which("prometheus")
    if installed is not None:
        arguments = _prometheus_arguments(PROMETHEUS_FILES, data, port)
        return Program("Prometheus", (installed, *arguments), port, "PROMETHEUS_PORT", "/-/ready", 60)
    if not engine_answers():
        raise PrometheusMissing
    image = _compose_service("prometheus")["image"]
    folders = {PROMETHEUS_FILES: "/etc/prometheus:ro", data: "/prometheus"}
    arguments = _prometheus_arguments(Path("/etc/prometheus"), Path("/prometheus"), port)
    command = (*_docker_run(folders), "--user", f"{os.getuid()}:{os.getgid()}", image, *arguments)
    return Program("Prometheus", command, port, "PROMETHEUS_PORT", "/-/ready", 300)


def grafana(settings: Settings) -> Program | None:
    """Give Grafana with the dashboard of deploy/grafana, over that Prometheus; None without Docker."""
    if not engine_answers():
        return None
    service = _compose_service("grafana")
    variables = service["environment"] | {
        "PROMETHEUS_URL": f"http://{LISTEN}:{settings.prometheus_port}",
        "GF_SERVER_HTTP_ADDR": LISTEN,
        "GF_SERVER_HTTP_PORT": str(settings.grafana_port),
    }
    named = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    folders = {
        GRAFANA_FILES / "provisioning": "/etc/grafana/provisioning:ro",
        GRAFANA_FILES / "dashboards": "/etc/grafana/dashboards:ro",
    }
    command = (*_docker_run(folders), *named, service["image"])
    return Program("Grafana", command, settings.grafana_port, "GRAFANA_PORT", "/api/health", 300)


def _prometheus_arguments(files: Path, data: Path, port: int) -> tuple[str, ...]:
    return (
        f"--config.file={files / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=15d",
        f"--web.listen-address={LISTEN}:{port}",
        "--log.level=warn",
    )


def _docker_run(folders: dict[Path, str]) -> tuple[str, ...]:
    mounted = [word for path, place in folders.items() for word in ("--volume", f"{path.resolve()}:{place}")]
    return ("docker", "run", "--rm", "--network", "host", *mounted)


def _compose_service(name: str) -> dict[str, Any]:
    """Read what docker-compose.yml says of a service: images are pinned there."""
    service: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"][name]
    return service
