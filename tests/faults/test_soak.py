"""Both servers, asked at a constant rate for as many seconds as SOAK_SECONDS says."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psutil
import pytest
from fault_report import Seen
from ports import free_port
from predictions import Predictions
from served_project import served_project
from server_process import ServerProcess
from stored_features import Row, environment

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

SECONDS = float(os.environ.get("SOAK_SECONDS", "5"))
PER_SECOND, THREADS, WARM_UP_SECONDS = 50.0, 16, 3
pytestmark = [pytest.mark.alone, pytest.mark.timeout(SECONDS + 300)]
PAYMENT = {"amount": 500.0, "transaction_hour": 0, "merchant_category": "Travel", "foreign_transaction": 0}


@pytest.fixture(scope="module")
def variables(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[dict[str, str]]:
    row = Row("12345", PAYMENT, datetime.now(timezone.utc) - timedelta(hours=3))
    folder = tmp_path_factory.mktemp("soak")
    with served_project(folder, cassandra, definitions, [row], direct=True) as settings:
        yield environment(settings)


@pytest.fixture
def servers(variables: dict[str, str], tmp_path: Path) -> Iterator[list[ServerProcess]]:
    with ExitStack() as ends:
        started = []
        for program in ("serve_model_feast", "serve_model"):
            started.append(
                ServerProcess(f"poc/{program}.py", free_port(), variables, tmp_path, sys.executable)
            )
            ends.callback(started[-1].kill)
        for server in started:
            server.wait_until_ready()
        yield started


def asked(servers: list[ServerProcess], seconds: float) -> list[Predictions]:
    """Ask all of them at a constant rate for so long."""
    with ExitStack() as running:
        loads = [running.enter_context(Predictions(server, PER_SECOND, THREADS)) for server in servers]
        time.sleep(seconds)
    return loads


@pytest.mark.fault(
    "Requests", "a constant rate for a while", "every answer the right one; memory and open files stay"
)
def test_servers_stay_as_they_are_under_a_constant_rate(servers: list[ServerProcess], seen: Seen) -> None:
    processes = [psutil.Process(server.process.pid) for server in servers]
    asked(servers, WARM_UP_SECONDS)
    before = [(process.memory_info().rss, process.num_fds()) for process in processes]
    loads = asked(servers, SECONDS)
    for process, load, (memory, files) in zip(processes, loads, before, strict=True):
        grown = process.memory_info().rss - memory
        assert {answer.status for answer in load.answers} == {200}
        assert len(load.answers) > 0.9 * PER_SECOND * SECONDS
        assert len(load.probabilities()) == 1
        assert grown < 0.1 * memory
        # Connections that were closed a moment ago may be there still.
        assert process.num_fds() <= files + 5
        seen("predictions", len(load.answers), "")
        seen("wrong answers", 0, "")
        seen("for", SECONDS, "s")
        seen("rate", len(load.answers) / SECONDS, "a second")
        seen("99 of 100 within", load.percentile_seconds(99) * 1000, "ms")
        seen("memory grown by", grown / 2**20, "MiB")
