"""A prediction server of this project in a process of its own, for as long as it is measured."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from urllib.error import HTTPError
from urllib.request import urlopen

import poc
from poc.comparison.feature_server import free_port
from poc.errors import BenchmarkFailed

DIRECT, FEAST, FEAST_ROWS = "direct", "feast", "feast-rows"
SCRIPTS = {DIRECT: "serve_model.py", FEAST: "serve_model_feast.py", FEAST_ROWS: "serve_model_feast.py"}
START_SECONDS = 120.0
STOP_SECONDS = 40.0


class Server:
    """The server `name` of `SCRIPTS`, started on a free port.

    Args:
        name: which.
        workers: its number of processes.
        environment: its settings, beside those of this process.
    """

    def __init__(self, name: str, workers: int, environment: Mapping[str, str]) -> None:
        self._script = Path(str(poc.__file__)).parent / SCRIPTS[name]
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {"HOST": "127.0.0.1", "PORT": str(port), "WORKERS": str(workers), "LOG_LEVEL": "WARNING"}
        self._log = TemporaryFile("w+")  # noqa: SIM115  Closed by `stop`.
        self._process = subprocess.Popen(
            [sys.executable, str(self._script)],
            env=os.environ | environment | own,
            stdout=self._log,
            stderr=self._log,
        )

    def wait_until_ready(self) -> None:
        """Wait until it can predict.

        Raises:
            BenchmarkFailed: it ended, or was not ready in two minutes.
        """
        deadline, answer = time.monotonic() + START_SECONDS, ""
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urlopen(f"{self.url}/ready", timeout=5):
                    return
            except HTTPError as error:  # It says what it is not ready for.
                answer = error.read().decode()
            except OSError:  # No answer yet.
                pass
            time.sleep(0.2)
        self._log.seek(0)
        raise BenchmarkFailed(self._script.name, self._log.read() + answer)

    def stop(self) -> None:
        """End it, by force where it does not."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()
