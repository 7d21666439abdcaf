"""Servers that are measured: each a process of its own, started before it is asked, ended after it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from feast import FeatureStore

from poc.comparison.variants import configuration, write_configuration
from poc.errors import FeatureServerUnavailable
from poc.retrieval.feature_server_source import FeatureServerSource, open_feature_server_source
from poc.settings import Settings

Process = subprocess.Popen[bytes]

# Feast's import alone takes 4-8 s, more on a machine with other work.
START_SECONDS = 120.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.2


@contextmanager
def server_process(
    command: Sequence[str], stop_seconds: float, environment: Mapping[str, str]
) -> Iterator[tuple[Process, IO[str]]]:
    """Run `command` until the block ends, then end it, by force where it does not; give it and what it says.

    `environment` comes beside that of this process.
    """
    with TemporaryFile("w+") as log:
        # A session of its own: the server's workers end with it, and Ctrl-C ends the measurement first.
        own = os.environ | environment
        process = subprocess.Popen(command, env=own, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process, log
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(stop_seconds)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def feature_server(settings: Settings, store: FeatureStore) -> Iterator[FeatureServerSource]:
    """Run `feast -c feature_repo serve` on a free port of 127.0.0.1, and give a source that reads from it.

    `store` is what is served, as it is configured here: Feast does not read our environment.

    Raises:
        FeatureServerUnavailable: it does not start.
        FeatureServerFailed, FeaturesNotApplied: it has not the features.
    """
    port = free_port()
    asks = settings.model_copy(update={"feature_server_url": f"http://127.0.0.1:{port}"})
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "feast.cli", "-c", str(settings.feast_repo_path)]
        command += ["-f", str(write_configuration(configuration(store), Path(folder) / "feature_store.yaml"))]
        command += ["serve", "--port", str(port), "--no-access-log"]
        ended = server_process(command, STOP_SECONDS, {})
        with ended as (process, log), closing(_opened(asks, process, log)) as source:
            yield source


def _opened(settings: Settings, process: Process, log: IO[str]) -> FeatureServerSource:
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
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """Ask the operating system for a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
