"""A feature server of a comparison's own: started before it reads, ended after it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import yaml

from poc.definitions import read_repo_yaml, repo_yaml
from poc.errors import FeatureServerUnavailable
from poc.retrieval.feature_server_source import FeatureServerSource, open_feature_server_source
from poc.settings import Settings

# Feast's import alone takes 4-8 s, more on a machine with other work.
START_SECONDS = 120.0
STOP_SECONDS = 10.0


@contextmanager
def feature_server(settings: Settings) -> Iterator[FeatureServerSource]:
    """Run `feast -c feature_repo serve` on a free port of 127.0.0.1, and give a source that reads from it.

    Args:
        settings: which feature repository and Cassandra; how long a read may take.

    Raises:
        FeatureServerUnavailable: it does not start.
        FeatureServerFailed, FeaturesNotApplied: it has not the features.
    """
    port = _free_port()
    asks = settings.model_copy(update={"feature_server_url": f"http://127.0.0.1:{port}"})
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        command = [sys.executable, "-m", "feast.cli", "-c", str(settings.feast_repo_path)]
        command += ["-f", str(_yaml_for_feast(settings, Path(folder)))]
        command += ["serve", "--port", str(port), "--no-access-log"]
        # A session of its own: the server's worker ends with it, and Ctrl-C ends the comparison first.
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            source = _opened(asks, process, log)
            try:
                yield source
            finally:
                source.close()
        finally:
            _end(process)


def _opened(settings: Settings, process: "subprocess.Popen[bytes]", log: IO[str]) -> FeatureServerSource:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return open_feature_server_source(settings)
        except FeatureServerUnavailable as error:
            if process.poll() is not None:
                log.seek(0)
                last = " ".join(log.read().strip().splitlines()[-1:])
                raise FeatureServerUnavailable(settings.feature_server_url, f"it ended: {last}") from error
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _yaml_for_feast(settings: Settings, folder: Path) -> Path:
    """Name the selected yaml; or a copy with the environment's hosts and port, which Feast does not read."""
    given: dict[str, object] = {}
    if settings.cassandra_hosts is not None:
        given["hosts"] = list(settings.cassandra_hosts)
    if settings.cassandra_port is not None:
        given["port"] = settings.cassandra_port
    if not given:
        return repo_yaml(settings).resolve()
    content = read_repo_yaml(settings)
    content["online_store"] |= given
    path = folder / "feature_store.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
