"""A server that is asked at a constant rate, for as many seconds as SOAK_SECONDS says."""

import os
import sys
import time
from collections.abc import Iterator
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


@pytest.fixture(params=["poc/serve_model_feast.py", "poc/serve_model.py"])
def server(
    request: pytest.FixtureRequest, variables: dict[str, str], tmp_path: Path
) -> Iterator[ServerProcess]:
    started = ServerProcess(request.param, free_port(), variables, tmp_path, sys.executable)
    started.wait_until_ready()
    yield started
    started.kill()


@pytest.mark.fault(
    "Requests", "a constant rate for a while", "every answer the right one; memory and open files stay"
)
def test_server_stays_as_it_is_under_a_constant_rate(server: ServerProcess, seen: Seen) -> None:
    process = psutil.Process(server.process.pid)
    with Predictions(server, PER_SECOND, THREADS):
        time.sleep(WARM_UP_SECONDS)
    memory, files = process.memory_info().rss, process.num_fds()
    with Predictions(server, PER_SECOND, THREADS) as load:
        time.sleep(SECONDS)
    grown = process.memory_info().rss - memory
    assert {answer.status for answer in load.answers} == {200}
    assert len(load.probabilities()) == 1
    assert grown < 0.1 * memory
    # Connections that were closed a moment ago may be there still.
    assert process.num_fds() <= files + 5
    seen("predictions", len(load.answers), "")
    seen("wrong answers", 0, "")
    seen("rate", len(load.answers) / SECONDS, "a second")
    seen("99 of 100 within", load.percentile_seconds(99) * 1000, "ms")
    seen("memory grown by", grown / 2**20, "MiB")
