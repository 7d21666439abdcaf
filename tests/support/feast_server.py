"""A real feature server, `feast -c feature_repo serve`, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import yaml
from ports import free_port

from poc.settings import Settings

# Feast's import alone takes 4-8 s, more on a machine with other work.
START_SECONDS = 120.0
REGISTRY_SECONDS = 1


class FeastServer:
    """A server over the feature repository of `settings`; `start` it.

    Feast reads no CASSANDRA_HOSTS: they are written into the repository's yaml files.

    Attributes:
        port: where it listens, on 127.0.0.1; the same each time it is started.
        url: the same as an address.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"feast-serve-{self.port}.log"
        for path in settings.feast_repo_path.glob("*.yaml"):
            content = yaml.safe_load(path.read_text())
            content["online_store"] |= {
                "hosts": list(settings.cassandra_hosts or ()),
                "port": settings.cassandra_port,
            }
            path.write_text(yaml.safe_dump(content))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        chosen = self._settings.feast_fs_yaml_file_path
        more = {} if chosen is None else {"FEAST_FS_YAML_FILE_PATH": str(chosen)}
        command = [str(Path(sys.executable).with_name("feast")), "-c", str(self._settings.feast_repo_path)]
        command += ["serve", "--port", str(self.port), "--registry_ttl_sec", str(REGISTRY_SECONDS)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=os.environ | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_for(lambda: httpx.get(f"{self.url}/health").is_success)

    def wait_until_served(self, service: str, join_key: str, names: tuple[str, ...]) -> None:
        """Wait until it serves just the features `names` from tables that are there."""

        def served() -> bool:
            question = {"feature_service": service, "entities": {join_key: ["nobody"]}}
            answer = httpx.post(f"{self.url}/get-online-features", json=question, timeout=30)
            return answer.is_success and set(answer.json()["metadata"]["feature_names"]) == {join_key, *names}

        self._wait_for(served)

    def kill(self) -> None:
        """End it at once, with its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _wait_for(self, holds: object) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not within {START_SECONDS} s: {self._log.read_text()[-2000:]}")
