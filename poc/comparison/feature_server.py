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
from typing import IO, TYPE_CHECKING

from poc.comparison.variants import configuration, write_configuration
from poc.errors import FeatureServerUnavailable
from poc.retrieval.feature_server_source import FeatureServerSource, open_feature_server_source
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

# Feast's import alone takes 4-8 s, more on a machine with other work.
START_SECONDS = 120.0
STOP_SECONDS = 10.0


@contextmanager
def feature_server(settings: Settings, store: "FeatureStore") -> Iterator[FeatureServerSource]:
    """Run `feast -c feature_repo serve` on a free port of 127.0.0.1, and give a source that reads from it.

    Args:
        settings: which feature repository; how long a read may take.
        store: what is to be served, as it is configured here: Feast does not read our environment.

    Raises:
        FeatureServerUnavailable: it does not start.
        FeatureServerFailed, FeaturesNotApplied: it has not the features.
    """
    port = free_port()
    asks = settings.model_copy(update={"feature_server_url": f"http://127.0.0.1:{port}"})
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        command = [sys.executable, "-m", "feast.cli", "-c", str(settings.feast_repo_path)]
        command += ["-f", str(write_configuration(configuration(store), Path(folder) / "feature_store.yaml"))]
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


def free_port() -> int:
    """Ask the operating system for a port that nobody listens on."""
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
