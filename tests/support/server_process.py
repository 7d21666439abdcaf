"""A prediction server in a process of its own, as `python poc/serve_model.py` starts it."""

import os
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from warm_python import warm

ROOT = Path(__file__).parents[2]
# Feast's import alone takes 4-8 s, more on a machine with other work.
START_SECONDS = 90.0
# Made once: httpx makes one for each client otherwise, 26 ms that a test of waiting times would measure.
_TLS = ssl.create_default_context()


class ServerProcess:
    """One running server.

    Args:
        script: the entry point, relative to the project.
        port: where it is to listen.
        environment: its settings.
        folder: its working directory; its output goes to `<script>-<port>.out` and `.err` there.
        python: what runs it, a fork of what has imported Feast by default; `sys.executable` where the process
            itself is looked at.
    """

    def __init__(
        self,
        script: str,
        port: int,
        environment: Mapping[str, str],
        folder: Path,
        python: str | None = None,
    ) -> None:
        name = f"{Path(script).stem}-{port}"
        self.stdout, self.stderr = folder / f"{name}.out", folder / f"{name}.err"
        self.url = f"http://127.0.0.1:{port}"
        with self.stdout.open("w") as out, self.stderr.open("w") as err:
            self.process = subprocess.Popen(
                [warm("python") if python is None else python, str(ROOT / script)],
                cwd=folder,
                env=os.environ | environment | {"PORT": str(port)},
                stdout=out,
                stderr=err,
            )
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def wait_until(self, holds: Callable[["ServerProcess"], bool], seconds: float = START_SECONDS) -> None:
        """Wait until `holds`; an error of the connection counts as not yet."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.stderr.read_text()[-2000:]}")
            try:
                if holds(self):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s; log: {self.stderr.read_text()[-2000:]}")

    def wait_until_live(self) -> None:
        """Wait until the process answers."""
        self.wait_until(lambda server: server.get("/live").status_code == 200)

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it can predict."""
        self.wait_until(lambda server: server.get("/ready").status_code == 200, seconds)

    def get(self, path: str) -> httpx.Response:
        """Ask for `path`."""
        return self.client.get(path)

    def predict(self, transaction_id: str = "12345") -> httpx.Response:
        """Ask for a prediction, over a connection of its own."""
        body = {"transaction_id": transaction_id}
        return httpx.post(f"{self.url}/predict", json=body, timeout=30, verify=_TLS)

    def stop(self, sig: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Send `sig`, wait for the end, and give the exit status."""
        self.process.send_signal(sig)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it whatever it does."""
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
