"""The image's own commands, run as its user on a read-only copy: the jobs, both servers, the feature server.

Without Docker, see container_image.py for what is real in that and what is not.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from container_image import Dockerfile, ImageFolder
from own_keyspace import drop_keyspaces
from ports import free_port

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

pytestmark = pytest.mark.timeout(1800)

# Feast, MLflow and gunicorn together, on a busy machine.
START_SECONDS = 300.0


@dataclass
class Running:
    """A process of the image, and what it printed."""

    process: "subprocess.Popen[bytes]"
    log: Path
    environment: dict[str, str]

    def wait_for(self, url: str, status: int = 200) -> httpx.Response:
        """Wait until `url` answers with `status`."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                answer = httpx.get(url, timeout=10)
                if answer.status_code == status:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.25)
        raise AssertionError(f"{url} did not answer {status}\n{self.log.read_text()}")


class Image:
    """The image on one machine with a Cassandra and an MLflow."""

    def __init__(
        self, folder: ImageFolder, dockerfile: Dockerfile, variables: dict[str, str], logs: Path
    ) -> None:
        self.folder, self.dockerfile, self._variables, self.logs = folder, dockerfile, variables, logs
        self.built = folder.files()

    @contextmanager
    def run(self, command: Sequence[str], *, reads_only: bool = True, **variables: str) -> Iterator[Running]:
        """Run `command` until the end of the block."""
        environment = self.folder.environment(**{**self._variables, **variables})
        log = self.logs / f"{time.monotonic_ns()}.log"
        process = self.folder.start(command, environment, log, reads_only=reads_only)
        running = Running(process, log, environment)
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.process.terminate()
            try:
                running.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                running.process.kill()


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, dict]:
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def mlflow_url(compose: dict[str, dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server, by the command of docker-compose.yml but for place and port."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    replaced = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    command = [
        replaced.get(word, word).replace("/mlflow/", f"{folder}/") for word in compose["mlflow"]["command"]
    ]
    with (folder / "log").open("wb") as log:
        # Without the processes that it starts for jobs, which nobody asks for here.
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        Running(process, folder / "log", {}).wait_for(f"{url}/health")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def image(
    root: Path, cassandra: ConnectionSettings, mlflow_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Image]:
    # Not pytest's folder: no other user may enter that.
    top = Path(tempfile.mkdtemp(prefix="image-"))
    top.chmod(0o755)
    dockerfile = Dockerfile(root / "Dockerfile")
    drop_keyspaces(cassandra)
    try:
        variables = {
            "HOST": "127.0.0.1",
            "CASSANDRA_HOSTS": cassandra.hosts[0],
            "CASSANDRA_PORT": str(cassandra.port),
            "MLFLOW_TRACKING_URI": mlflow_url,
        }
        logs = tmp_path_factory.mktemp("logs")
        yield Image(ImageFolder(dockerfile, root, top), dockerfile, variables, logs)
    finally:
        for path in [top / "app", *(top / "app").rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(top)
        drop_keyspaces(cassandra)


@dataclass
class Served:
    """A server that was started before the setup, and what it answered then."""

    image: Image
    url: str
    running: Running
    early_live: httpx.Response
    early_ready: httpx.Response


@pytest.fixture(scope="module")
def served(image: Image, compose: dict[str, dict]) -> Iterator[Served]:
    """All started at once, as a cluster does it: the server first, then the setup job."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with image.run(image.dockerfile.command(), PORT=str(port)) as server:
        live = server.wait_for(f"{url}/live")
        ready = httpx.get(f"{url}/ready", timeout=60)
        with image.run(compose["setup"]["command"], reads_only=False) as job:
            assert job.process.wait(timeout=900) == 0, job.log.read_text()
        yield Served(image, url, server, live, ready)


def test_mlflow_of_the_compose_file_answers_to_its_service_s_name(mlflow_url: str) -> None:
    path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=none"
    answer = httpx.get(f"{mlflow_url}{path}", headers={"Host": "mlflow:5000"}, timeout=60)
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert httpx.get(f"{mlflow_url}{path}", headers={"Host": "elsewhere:5000"}, timeout=60).status_code == 403


def test_server_started_before_the_setup_lives_is_not_ready_and_becomes_so_by_itself(served: Served) -> None:
    assert (served.early_live.status_code, served.early_ready.status_code) == (200, 503)
    assert served.running.wait_for(f"{served.url}/ready").status_code == 200


def test_both_servers_predict_the_same_from_data_that_they_cannot_write(served: Served) -> None:
    port = free_port()
    question = {"transaction_id": "12345"}
    with served.image.run(["python", "poc/serve_model.py"], PORT=str(port)) as other:
        served.running.wait_for(f"{served.url}/ready")
        other.wait_for(f"http://127.0.0.1:{port}/ready")
        answers = [
            httpx.post(f"{url}/predict", json=question, timeout=60).json()
            for url in (served.url, f"http://127.0.0.1:{port}")
        ]
    assert answers[0]["fraud_probability"] == answers[1]["fraud_probability"]


def test_feature_server_answers_from_data_that_it_cannot_write(
    served: Served, compose: dict[str, dict], definitions: ServedFeatures
) -> None:
    port = free_port()
    [view], [key] = definitions.feature_sets, definitions.key_names
    question = {"features": [f"{view.view}:amount"], "entities": {key: ["12345"]}}
    with served.image.run(compose["feature-server"]["command"], PORT=str(port)) as server:
        server.wait_for(f"http://127.0.0.1:{port}/live")
        url = f"http://127.0.0.1:{port}/get-online-features"
        answer = httpx.post(url, json=question, timeout=60).json()
    assert answer["results"][1]["statuses"] == ["PRESENT"]


def test_code_cannot_be_changed_by_the_image_s_user(served: Served) -> None:
    command = ["sh", "-c", "echo >> poc/settings.py || echo > new.py || exit 7"]
    with served.image.run(command, reads_only=False) as attempt:
        assert attempt.process.wait(timeout=60) == 7


def test_nothing_was_written_outside_data_and_tmp(served: Served) -> None:
    assert served.image.folder.files() == served.image.built


def test_health_command_passes_while_the_server_lives_and_fails_after_it_has_stopped(served: Served) -> None:
    deadline = time.monotonic() + START_SECONDS
    while health(served) != 0:
        assert time.monotonic() < deadline, served.running.log.read_text()
    served.running.process.send_signal(signal.SIGTERM)
    assert served.running.process.wait(timeout=120) == 0, served.running.log.read_text()
    assert health(served) == 1


def health(served: Served) -> int:
    """Give the exit status of the image's health check."""
    port = served.url.rpartition(":")[2]
    with served.image.run(served.image.dockerfile.health_command(), PORT=port) as check:
        return check.process.wait(timeout=120)
