"""A server of two processes: it counts as one, survives a worker's death, and leaves nothing behind."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import psutil
import pytest
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families
from served_project import served_project
from server_process import ServerProcess
from stored_features import Row, environment

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

WORKERS = 2
ROWS = [Row("12345", {"amount": 500.0}, datetime.now(timezone.utc) - timedelta(hours=1))]


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Callable[..., ServerProcess]]:
    folder = tmp_path_factory.mktemp("workers")
    started: list[ServerProcess] = []
    with served_project(folder, cassandra, definitions, ROWS) as settings:

        def start_server(**changes: str) -> ServerProcess:
            variables = environment(settings) | {"WORKERS": str(WORKERS)} | changes
            server = ServerProcess("poc/serve_model_feast.py", free_port(), variables, folder, sys.executable)
            started.append(server)
            server.wait_until(lambda _: len(workers(server)) == WORKERS)
            wait_until_all_ready(server)
            return server

        yield start_server
        for server in started:
            server.kill()


@pytest.fixture(scope="module")
def server(start: Callable[..., ServerProcess]) -> ServerProcess:
    return start()


def workers(server: ServerProcess) -> list[psutil.Process]:
    """The processes that answer, without multiprocessing's own and without dead ones."""
    return [child for child in psutil.Process(server.process.pid).children() if answers(child)]


def answers(child: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # A killed worker, gone or not yet waited for.
        return False


def sample(server: ServerProcess, name: str, **labels: str) -> float:
    found = 0.0
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for item in family.samples:
            if item.name == name and labels.items() <= item.labels.items():
                found += item.value
    return found


def wait_until_all_ready(server: ServerProcess) -> None:
    """Which worker takes a connection is the system's choice: many fresh ones in a row reach all."""

    def all_ready(_: ServerProcess) -> bool:
        return all(server.predict().status_code == 200 for _ in range(30))

    server.wait_until(all_ready)


def test_metrics_are_those_of_all_workers(server: ServerProcess) -> None:
    before = sample(server, "predictions_total", outcome="fraud")
    all_before = sample(server, "predictions_total")
    # A worker that loads its model still, on a busy machine, refuses: that is counted as well.
    judged = sum(server.predict().status_code == 200 for _ in range(40))
    assert judged > 0
    shown = {sample(server, "predictions_total", outcome="fraud") for _ in range(10)}
    assert shown == {before + judged}
    assert sample(server, "predictions_total") == all_before + 40
    assert sample(server, "prediction_latency_seconds_count") == sample(server, "predictions_total")


def test_state_of_the_components_is_that_of_all_workers(server: ServerProcess) -> None:
    server.wait_until(lambda _: sample(server, "component_ready", component="model") == 1, 60)
    assert sample(server, "component_ready", component="features") == 1


def test_state_of_the_online_store_is_shown_once(server: ServerProcess) -> None:
    server.wait_until(lambda _: sample(server, "state_last_read_timestamp_seconds", source="feast") > 0, 60)
    families = text_string_to_metric_families(server.get("/metrics").text)
    shown = [
        (item.name, tuple(sorted(item.labels.items()))) for family in families for item in family.samples
    ]
    assert len(set(shown)) == len(shown)
    assert [name for name, _ in shown].count("feature_view_ttl_seconds") == 1
    assert [name for name, _ in shown].count("state_last_read_timestamp_seconds") == 1


def test_memory_and_cpu_are_those_of_each_worker(server: ServerProcess) -> None:
    for worker in workers(server):
        memory = sample(server, "process_resident_memory_bytes", pid=str(worker.pid))
        assert memory == pytest.approx(worker.memory_info().rss, rel=0.2)
        assert sample(server, "process_cpu_seconds_total", pid=str(worker.pid)) > 0
    assert sample(server, "python_info") == 1


def test_only_one_worker_says_where_it_listens(server: ServerProcess) -> None:
    server.wait_until(lambda _: "Serving on" in server.stdout.read_text(), 60)
    assert server.stdout.read_text().count("Serving on") == 1


@pytest.mark.fault("Processes", "kill -9 of a worker", "another one takes its place, its counts stay")
def test_killed_worker_is_replaced_and_what_it_counted_stays(server: ServerProcess) -> None:
    counted = sample(server, "predictions_total", outcome="fraud")
    before = {worker.pid for worker in workers(server)}
    os.kill(min(before), signal.SIGKILL)
    server.client.close()
    server.client = type(server.client)(base_url=server.url, timeout=30)
    server.wait_until(
        lambda _: len(workers(server)) == WORKERS and {w.pid for w in workers(server)} != before
    )
    wait_until_all_ready(server)
    assert sample(server, "predictions_total", outcome="fraud") > counted
    assert sample(server, "process_resident_memory_bytes", pid=str(min(before))) == 0
    assert sample(server, "state_last_read_timestamp_seconds") > 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_signal_ends_all_workers_with_status_0(
    start: Callable[..., ServerProcess], sig: signal.Signals
) -> None:
    server = start(SHUTDOWN_GRACE_SECONDS="0.2")
    ended = workers(server)
    assert server.stop(sig) == 0
    assert [worker for worker in ended if worker.is_running()] == []


@pytest.mark.fault("Processes", "kill -9 of the workers' parent", "the workers end")
def test_workers_end_when_their_parent_was_killed(start: Callable[..., ServerProcess]) -> None:
    server = start(SHUTDOWN_GRACE_SECONDS="0.2")
    orphans = workers(server)
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 60
    while any(orphan.is_running() for orphan in orphans) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [orphan for orphan in orphans if orphan.is_running()] == []
