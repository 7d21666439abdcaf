"""Cassandra as a container: the `cassandra` service of docker-compose.yml, through Docker's command line."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from poc.errors import DockerFailed, DockerUnavailable
from poc.local_cassandra.machine import Answer, probe

SERVICE = "cassandra"
ANSWER_TIMEOUT_SECONDS = 10.0
START_TIMEOUT_SECONDS = 180.0
POLL_SECONDS = 0.5


def engine_answers() -> bool:
    """Tell whether a Docker engine can be asked to run something: the command alone proves nothing."""
    return _printed(["docker", "version", "--format", "{{.Server.Version}}"]) is not None


def compose_command() -> list[str] | None:
    """Return the command that runs Compose: the plugin's, else the old one's; None if there is neither."""
    if _printed(["docker", "compose", "version"]) is not None:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") is not None else None


def start_container(port: int, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
    """Start the service at 127.0.0.1:`port` and wait until it answers; one that runs already stays as it is.

    What Docker reports, such as the image's download, goes to standard error. An interrupted or failed
    start stops the container again.

    Raises:
        DockerUnavailable: no engine answers, or Compose is not installed.
        DockerFailed: Compose reported an error, or Cassandra did not answer within `timeout_seconds`.
    """
    compose = _require_compose()
    # Compose 1 does not know --wait; the wait below is for both, since only an answer is proof.
    version = _printed([*compose, "version", "--short"])
    is_old = version is not None and version.strip().lstrip("v").startswith("1.")
    up = [*compose, "up", "--detach", *([] if is_old else ["--wait"]), SERVICE]
    try:
        _run(up, port)
        deadline = time.monotonic() + timeout_seconds
        while probe("127.0.0.1", port) is not Answer.CQL:
            if time.monotonic() >= deadline:
                raise DockerFailed(f"{' '.join(up)}: ran, but nothing answers at 127.0.0.1:{port}")
            time.sleep(POLL_SECONDS)
    except BaseException:
        with suppress(DockerFailed):
            _run([*compose, "stop", SERVICE], port)
        raise


def container_runs() -> bool:
    """Tell whether the service's container runs."""
    compose = compose_command() if engine_answers() else None
    listed = None if compose is None else _printed([*compose, "ps", "--quiet", SERVICE])
    return listed is not None and listed.strip() != ""


def stop_container(port: int) -> None:
    """Stop the service; its volume, and so the data, stays. Raises what `start_container` raises."""
    _run([*_require_compose(), "stop", SERVICE], port)


def _require_compose() -> list[str]:
    if not engine_answers():
        raise DockerUnavailable("no Docker engine answers")
    compose = compose_command()
    if compose is None:
        raise DockerUnavailable("a Docker engine answers, but Docker Compose is not installed")
    return compose


def _printed(command: Sequence[str]) -> str | None:
    """Return what a command prints; None where it fails, takes too long, or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _run(command: Sequence[str], port: int) -> None:
    environment = os.environ | {"CASSANDRA_PORT": str(port)}
    status = subprocess.run(command, env=environment, stdout=sys.stderr).returncode
    if status != 0:
        raise DockerFailed(f"{' '.join(command)}: ended with status {status}; its reason is above")
