"""Prometheus and Grafana on this machine: with what they are run and where they answer, started and ended.

Knows the files in deploy/ and the two ways to run a program: installed, or as a container. Servers that
listen on the loopback address can be reached from a container only on the host's network.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from poc.child_process import Process, child_process
from poc.errors import MonitoringFailed, MonitoringPortTaken, ProgramMissing
from poc.local_cassandra.docker import engine_answers
from poc.local_cassandra.machine import listening_error
from poc.settings import Settings

LISTEN = "127.0.0.1"
COMPOSE = Path("docker-compose.yml")
PROMETHEUS_FILES = Path("deploy/prometheus")
GRAFANA_FILES = Path("deploy/grafana")
POLL_SECONDS = 0.1
# One that accepts and is silent holds up the end of the wait for as long.
ANSWER_SECONDS = 1.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program that listens at `port`, which `port_variable` changes, until it is told to stop.

    Once it can be used, it answers `ready_path` with 200. That may take `start_seconds`: a container's image
    may have to be fetched first.
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
    """Return Prometheus with the rules of deploy/prometheus; its data is in the data folder.

    ProgramMissing: it is not installed, and there is no Docker.
    """
    port, data = settings.prometheus_port, settings.data_dir / "prometheus"
    installed = shutil.which("prometheus")
    if installed is not None:
        files, kept, program, start_seconds = PROMETHEUS_FILES, data, (installed,), 60
    elif engine_answers():
        files, kept, start_seconds = Path("/etc/prometheus"), Path("/prometheus"), 300
        mounted = _docker_run({PROMETHEUS_FILES: f"{files}:ro", data: str(kept)})
        image = _compose_service("prometheus")["image"]
        program = (*mounted, "--user", f"{os.getuid()}:{os.getgid()}", image)
    else:
        raise ProgramMissing("prometheus", ", and no Docker engine answers")
    arguments = (
        f"--config.file={files / 'prometheus.yml'}",
        f"--storage.tsdb.path={kept}",
        "--storage.tsdb.retention.time=15d",
        f"--web.listen-address={LISTEN}:{port}",
        "--log.level=warn",
    )
    return Program("Prometheus", (*program, *arguments), port, "PROMETHEUS_PORT", "/-/ready", start_seconds)


def grafana(settings: Settings) -> Program | None:
    """Return Grafana with the dashboard of deploy/grafana, over that Prometheus; None without Docker."""
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


def _docker_run(folders: dict[Path, str]) -> tuple[str, ...]:
    mounted = [word for path, place in folders.items() for word in ("--volume", f"{path.resolve()}:{place}")]
    return ("docker", "run", "--rm", "--network", "host", *mounted)


def _compose_service(name: str) -> dict[str, Any]:
    """Read what docker-compose.yml says of a service: images are pinned there."""
    service: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"][name]
    return service


@dataclass(frozen=True, slots=True)
class RunningProgram:
    """One that was started; what it says, it writes to `log`."""

    program: Program
    process: Process
    log: Path

    def require_running(self) -> None:
        """Raise MonitoringFailed if it has ended."""
        if (status := self.process.poll()) is not None:
            raise self._failure(f"ended with status {status}")

    def wait_until_ready(self, stopping: Callable[[], bool]) -> bool:
        """Wait until it says that it can be used, or `stopping` says so; return whether it can be used.

        MonitoringFailed: it ended, or took too long.
        """
        deadline = time.monotonic() + self.program.start_seconds
        while not stopping():
            self.require_running()
            if self._answers(self.program.ready_path):
                return True
            if time.monotonic() >= deadline:
                raise self._failure(f"was not ready within {self.program.start_seconds:g} s")
            time.sleep(POLL_SECONDS)
        return False

    def page(self, *paths: str) -> str:
        """Return the address of the first of `paths` that it answers; where it answers none, of the first."""
        return self.program.url + next(filter(self._answers, paths), paths[0])

    def _answers(self, path: str) -> bool:
        try:
            with urlopen(self.program.url + path, timeout=ANSWER_SECONDS):
                return True
        except OSError:  # No answer yet, or the answer that it is not ready.
            return False

    def _failure(self, how: str) -> MonitoringFailed:
        return MonitoringFailed(self.program.name, how, self.log, self.log.read_text(errors="replace"))


@contextmanager
def run_program(program: Program, folder: Path) -> Iterator[RunningProgram]:
    """Run `program` until the end of the block; what it says goes to a file in `folder`, which is made.

    MonitoringPortTaken: something else listens at its port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Else a program of another person might answer that it is ready.
    taken = listening_error(LISTEN, program.port)
    if taken is not None:
        where, why = f"{LISTEN}:{program.port}", taken.strerror or str(taken)
        raise MonitoringPortTaken(program.name, where, why, program.port_variable) from taken
    log = folder / f"{program.name.lower()}.log"
    with log.open("wb") as output, child_process(program.command, output, STOP_SECONDS) as process:
        yield RunningProgram(program, process, log)
