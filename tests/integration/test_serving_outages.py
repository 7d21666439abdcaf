"""Live servers of both kinds while what they need comes and goes: the table at the end of the design."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from fault_report import Seen
from own_keyspace import own_keyspace
from own_sessions import apply_definitions
from ports import free_port
from predictions import Predictions
from server_process import ROOT, ServerProcess
from small_model import register
from stored_features import Row, environment, serving_settings, write_direct, write_through_feast
from tcp_proxy import TcpProxy

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session, cassandra_session
from poc.settings import Settings

pytestmark = pytest.mark.alone

SCRIPTS = {"feast": "poc/serve_model_feast.py", "direct": "poc/serve_model.py"}
# The ways that a server reads: two scripts, two layouts, two drivers (acsylla where it is installed).
WAYS = {
    "feast": ("feast", {}),
    "feast-rows": ("feast", {"FEAST_FS_YAML_FILE_PATH": "feature_repo/rows.yaml"}),
    "feast-threads": ("feast", {"FEATURE_DRIVER": "cassandra-driver"}),
    "direct": ("direct", {}),
    "direct-threads": ("direct", {"FEATURE_DRIVER": "cassandra-driver"}),
}
BUDGET_SECONDS = 1.0
UNTIL_BACK = "503 with the way out within the budget, /live goes on; served again by itself"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
PAYMENT = {"transaction_hour": 0, "merchant_category": "Travel", "foreign_transaction": 0}
ROWS = [
    Row("12345", PAYMENT | {"amount": 500.0}, NOW - timedelta(hours=3)),
    Row("67890", PAYMENT | {"amount": 150.0}, NOW - timedelta(hours=4)),
    Row("old", PAYMENT | {"amount": 150.0}, NOW - timedelta(days=40)),
]


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores filled, and a registered model, in a folder of their own."""

    settings: Settings
    folder: Path


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("serving")
    with cassandra_session(cassandra) as session, own_keyspace(session) as keyspace:
        settings = serving_settings(folder, cassandra, keyspace)
        fill(session, settings, definitions)
        register(settings, definitions)
        yield Stores(settings, folder)


def fill(session: Session, settings: Settings, definitions: ServedFeatures) -> None:
    rows = settings.feast_repo_path / "rows.yaml"
    for store in (settings, settings.model_copy(update={"feast_fs_yaml_file_path": rows})):
        apply_definitions(store)
        write_through_feast(store, definitions, ROWS)
    write_direct(session, settings, definitions, ROWS)


@pytest.fixture(scope="module")
def start(stores: Stores) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start_server(source: str, port: int | None = None, **changes: str) -> ServerProcess:
        settings = environment(stores.settings) | {"MODEL_REFRESH_SECONDS": "0.5"} | changes
        server = ServerProcess(SCRIPTS[source], port or free_port(), settings, stores.folder, sys.executable)
        started.append(server)
        return server

    yield start_server
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def proxy(cassandra: ConnectionSettings) -> Iterator[TcpProxy]:
    made = TcpProxy((cassandra.hosts[0], cassandra.port))
    yield made
    made.cut()


def behind(proxy: TcpProxy) -> dict[str, str]:
    return {"CASSANDRA_HOSTS": "127.0.0.1", "CASSANDRA_PORT": str(proxy.port)}


@pytest.fixture
def own_proxy(cassandra: ConnectionSettings) -> Iterator[TcpProxy]:
    """One for a server of the test's own."""
    made = TcpProxy((cassandra.hosts[0], cassandra.port))
    yield made
    made.cut()


@pytest.fixture(scope="module")
def servers(start: Callable[..., ServerProcess], proxy: TcpProxy) -> dict[str, ServerProcess]:
    """One of each way, reaching Cassandra through `proxy`."""
    started = {way: start(source, **behind(proxy), **more) for way, (source, more) in WAYS.items()}
    for server in started.values():
        server.wait_until_ready()
    return started


@pytest.fixture(params=SCRIPTS)
def source(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=WAYS)
def server(
    request: pytest.FixtureRequest, servers: dict[str, ServerProcess], proxy: TcpProxy
) -> Iterator[ServerProcess]:
    server = servers[request.param]
    server.wait_until_ready()
    yield server
    proxy.resume()
    proxy.delay_seconds = 0.0
    server.wait_until_ready()


def assert_unavailable(answer: httpx.Response, started: float) -> None:
    assert time.monotonic() - started < BUDGET_SECONDS + 1.0
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "/problems/cassandra-unavailable"
    assert "fraud_probability" not in answer.json()


def test_all_servers_give_the_same_answers(servers: dict[str, ServerProcess]) -> None:
    for row in ROWS:
        answers = {way: server.predict(row.transaction_id).json() for way, server in servers.items()}
        assert {way: answer.pop("source") for way, answer in answers.items()} == {
            way: source for way, (source, _) in WAYS.items()
        }
        ages = [answer.pop("age_seconds") for answer in answers.values()]
        assert ages == pytest.approx([ages[0]] * len(ages), abs=5)
        for answer in answers.values():
            answer.pop("latency_ms")
        assert [way for way, answer in answers.items() if answer != answers["direct"]] == []


def test_answer_rests_on_what_is_stored(server: ServerProcess) -> None:
    answer = server.predict("12345").json()
    assert answer["features"]["amount"] == 500.0
    assert answer["features"]["transaction_hour"] == 0
    assert answer["features"]["cardholder_age"] is None
    assert (answer["is_fraud"], answer["stale"]) == (True, False)
    assert server.predict("old").json()["stale"] is True


def test_server_prints_where_it_listens_and_what_to_try(server: ServerProcess) -> None:
    port = server.url.rpartition(":")[2]
    server.wait_until(lambda server: "✓ Serving" in server.stdout.read_text(), 60)
    assert f"curl -s http://localhost:{port}/predict" in server.stdout.read_text()


def test_logs_are_json_lines_without_an_access_log(server: ServerProcess) -> None:
    server.predict("12345")
    lines = server.stderr.read_text().splitlines()
    assert lines
    assert all(line.startswith('{"time"') for line in lines)
    assert "/predict" not in server.stderr.read_text()


@pytest.mark.fault(
    "Cassandra",
    "hangs: connections stay, nothing is answered",
    UNTIL_BACK,
)
def test_frozen_cassandra_is_503_within_the_budget_until_it_goes_on(
    server: ServerProcess, proxy: TcpProxy
) -> None:
    proxy.stall()
    started = time.monotonic()
    assert_unavailable(server.predict(), started)
    started = time.monotonic()
    assert server.get("/ready").status_code == 503
    assert server.get("/health").json()["components"][0]["ready"] is False
    assert server.get("/live").status_code == 200
    assert time.monotonic() - started < BUDGET_SECONDS + 1.0
    proxy.resume()
    server.wait_until_ready(30)
    assert server.predict().status_code == 200


@pytest.mark.fault("Cassandra", "hangs, and 100 ask at once", "each is answered 503 within the budget")
def test_crowd_at_a_frozen_cassandra_is_answered_within_the_budget(
    server: ServerProcess, proxy: TcpProxy
) -> None:
    def timed(_: int) -> tuple[float, int]:
        started = time.monotonic()
        answer = server.predict()
        return time.monotonic() - started, answer.status_code

    proxy.stall()
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(timed, range(100)))
    assert {status for _, status in answers} == {503}
    # More requests than threads: the later ones must not wait for their turn and then for Cassandra.
    assert max(seconds for seconds, _ in answers) < BUDGET_SECONDS + 1.0


@pytest.mark.fault("Cassandra", "dies under load and comes back", UNTIL_BACK)
def test_cassandra_that_dies_under_load_is_503_until_it_returns(
    server: ServerProcess, proxy: TcpProxy, seen: Seen
) -> None:
    with Predictions(server) as load:
        time.sleep(1)
        proxy.cut()
        died = time.monotonic()
        time.sleep(2)
        proxy.restore()
        returned = time.monotonic()
        server.wait_until_ready(30)
        time.sleep(2)
    assert {answer.status for answer in load.asked(died + 0.1, returned - BUDGET_SECONDS)} == {503}
    load.require_only_interrupted(died, returned, BUDGET_SECONDS, seen)


@pytest.mark.fault("Cassandra", "slow: 0.2 s late, then 3 s", "waited for within the budget, 503 past it")
def test_slow_cassandra_is_waited_for_within_the_budget(server: ServerProcess, proxy: TcpProxy) -> None:
    fast = server.predict()
    assert fast.status_code == 200, fast.text
    proxy.delay_seconds = 0.2
    started = time.monotonic()
    slow = server.predict()
    assert slow.status_code == 200, slow.text
    assert slow.json()["fraud_probability"] == fast.json()["fraud_probability"]
    assert time.monotonic() - started > 0.2
    proxy.delay_seconds = 3.0
    started = time.monotonic()
    assert_unavailable(server.predict(), started)


@pytest.mark.fault(
    "Requests", "more at a time than the server takes", "503 with Retry-After at once, then well"
)
def test_crowd_past_the_limit_is_sent_away_at_once(
    source: str, start: Callable[..., ServerProcess], own_proxy: TcpProxy, seen: Seen
) -> None:
    server = start(source, **behind(own_proxy), MAX_CONCURRENT_REQUESTS="4", FEATURE_TIMEOUT_SECONDS="10")
    server.wait_until_ready()
    own_proxy.delay_seconds = 1.0
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: server.predict(), range(40)))
    taken = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert (len(taken) >= 4, len(taken) + len(refused)) == (True, 40)
    assert {answer.json()["type"] for answer in refused} == {"/problems/overloaded"}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    # None of them waited for Cassandra.
    assert all(answer.elapsed.total_seconds() < 1 for answer in refused)
    assert all(answer.elapsed.total_seconds() > 1 for answer in taken)
    own_proxy.delay_seconds = 0.0
    assert server.predict().status_code == 200
    seen("predictions", len(taken), "")
    seen("sent away", len(refused), "")
    server.kill()


def test_newly_registered_version_is_served_without_a_restart(
    server: ServerProcess, stores: Stores, definitions: ServedFeatures
) -> None:
    version = register(stores.settings, definitions)
    server.wait_until(lambda server: server.get("/model").json()["version"] == version, 30)
    assert server.predict().json()["model"]["version"] == version


@pytest.mark.fault(
    "Cassandra", "away when a server starts", "the server lives, is not ready and says why; ready by itself"
)
def test_server_that_starts_before_cassandra_and_model_becomes_ready_by_itself(
    source: str,
    start: Callable[..., ServerProcess],
    stores: Stores,
    own_proxy: TcpProxy,
    definitions: ServedFeatures,
    tmp_path: Path,
) -> None:
    own_proxy.cut()
    registry = f"sqlite:///{tmp_path}/late.db"
    server = start(source, **behind(own_proxy), MLFLOW_TRACKING_URI=registry, DATA_DIR=str(tmp_path))
    server.wait_until_live()
    server.wait_until(lambda server: "not ready yet" in server.stdout.read_text())
    started = time.monotonic()
    ready, predicted = server.get("/ready"), server.predict()
    assert time.monotonic() - started < BUDGET_SECONDS
    assert (ready.status_code, predicted.status_code) == (503, 503)
    assert "start_cassandra.py" in ready.json()["way_out"]
    own_proxy.restore()
    server.wait_until(lambda server: server.get("/health").json()["components"][0]["ready"], 30)
    predicted = server.predict()
    assert (predicted.status_code, predicted.json()["type"]) == (503, "/problems/no-model")
    assert "python poc/train_fraud_model.py" in predicted.json()["way_out"]
    register(
        stores.settings.model_copy(update={"mlflow_tracking_uri": registry, "data_dir": tmp_path}),
        definitions,
    )
    server.wait_until_ready(30)
    assert server.predict().status_code == 200
    server.kill()


@pytest.mark.fault(
    "Processes",
    "SIGTERM to a server that answers",
    "what is in flight is answered, nothing new taken, exit status 0",
)
def test_sigterm_finishes_what_is_in_flight_and_exits_0(
    source: str, start: Callable[..., ServerProcess], own_proxy: TcpProxy
) -> None:
    server = start(source, **behind(own_proxy), SHUTDOWN_GRACE_SECONDS="0.5", FEATURE_TIMEOUT_SECONDS="10")
    server.wait_until_ready()
    own_proxy.delay_seconds = 1.5
    with ThreadPoolExecutor(5) as pool:
        in_flight = [pool.submit(server.predict) for _ in range(5)]
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert server.get("/ready").json()["type"] == "/problems/shutting-down"
        assert [future.result().status_code for future in in_flight] == [200] * 5
    assert server.process.wait(20) == 0
    with pytest.raises(httpx.ConnectError):
        server.predict()


@pytest.mark.fault("Processes", "a server's port is taken", "exit status 1, the port and the setting named")
def test_port_in_use_is_told_at_once(source: str, start: Callable[..., ServerProcess]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start(source, port=port)
        assert server.process.wait(20) == 1
    assert server.stderr.read_text().startswith(f"✗ Cannot listen on 127.0.0.1:{port}")
    assert "HOST and PORT" in server.stderr.read_text()


def test_help_is_the_manual_and_starts_nothing(source: str) -> None:
    command = [sys.executable, str(ROOT / SCRIPTS[source]), "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "curl -s localhost:800" in answer.stdout
    assert "Starting" not in answer.stdout


def test_setting_that_does_not_fit_ends_with_its_name(
    source: str, start: Callable[..., ServerProcess]
) -> None:
    server = start(source, FEATURE_TIMEOUT_SECONDS="soon")
    assert server.process.wait(20) == 2
    assert "FEATURE_TIMEOUT_SECONDS" in server.stderr.read_text()


def test_folder_without_features_ends_with_the_way_out(
    source: str, start: Callable[..., ServerProcess]
) -> None:
    server = start(source, FEAST_REPO_PATH="/nowhere")
    assert server.process.wait(60) == 2
    assert "FEAST_REPO_PATH" in server.stderr.read_text()


def test_other_yaml_is_honoured(start: Callable[..., ServerProcess], stores: Stores, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    own = stores.settings.feast_repo_path / "feature_store.yaml"
    other.write_text(own.read_text().replace(stores.settings.direct_keyspace, "not_there"))
    server = start("feast", FEAST_FS_YAML_FILE_PATH=str(other))
    server.wait_until(lambda server: "not ready yet" in server.stdout.read_text())
    problem = server.get("/ready").json()
    assert problem["type"] == "/problems/features-not-applied"
    assert "not_there" in problem["detail"]
    assert server.stop(signal.SIGINT) == 0
