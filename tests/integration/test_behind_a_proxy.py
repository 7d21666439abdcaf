"""A server as others reach it: through a proxy that strips a prefix, with keys, beyond loopback, by TLS."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from ports import free_port
from prefix_proxy import prefix_proxy
from server_process import ROOT, ServerProcess

from poc.local_cassandra.secure import ensure_certificates

KEY = "a-key-of-more-than-sixteen-characters"
PREFIX = "/team/fraud"
FILES = re.compile(r"""(?:src|href|spec-url)="([^"#]+)"|url: '([^']+)'""")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers without a Cassandra: what is asked here needs none."""
    folder, started = tmp_path_factory.mktemp("edge"), []

    def start_server(**variables: str) -> ServerProcess:
        nobody = {"CASSANDRA_HOSTS": "127.0.0.1", "CASSANDRA_PORT": str(free_port())}
        repository = {"FEAST_REPO_PATH": str(ROOT / "feature_repo"), "DATA_DIR": str(folder)}
        server = ServerProcess("poc/serve_model.py", free_port(), nobody | repository | variables, folder)
        started.append(server)
        return server

    yield start_server
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def beyond(start: Callable[..., ServerProcess]) -> ServerProcess:
    server = start(HOST="0.0.0.0", API_KEYS=KEY, OPEN_WITHOUT_KEY="metrics")
    server.wait_until_live()
    return server


@pytest.fixture(scope="module", params=["tells the prefix", "tells nothing"])
def through_proxy(
    request: pytest.FixtureRequest, start: Callable[..., ServerProcess], beyond: ServerProcess
) -> Iterator[httpx.Client]:
    """A client whose requests go through a proxy, with a key."""
    tells = request.param == "tells the prefix"
    server = beyond if tells else start(ROOT_PATH=PREFIX, API_KEYS=KEY)
    server.wait_until_live()
    with (
        prefix_proxy(server.url, PREFIX, tells=tells) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": KEY}) as client,
    ):
        server.wait_until(lambda _: client.get(f"{PREFIX}/live").status_code == 200)
        yield client


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/"])
def test_page_and_all_that_it_names_come_through_the_proxy(through_proxy: httpx.Client, page: str) -> None:
    shown = through_proxy.get(PREFIX + page)
    assert shown.status_code == 200
    named = [first or second for first, second in FILES.findall(shown.text)]
    assert len(named) >= 3
    for name in named:
        assert through_proxy.get(str(shown.url.join(name))).status_code in (200, 503), name


def test_documented_server_is_the_proxy_s(through_proxy: httpx.Client) -> None:
    document = through_proxy.get(f"{PREFIX}/openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]
    asked = through_proxy.post(f"{PREFIX}/predict", json={"transaction_id": "12345"})
    # There is no Cassandra here; the server itself says so.
    assert (asked.status_code, asked.headers["content-type"]) == (503, "application/problem+json")


def test_server_beyond_loopback_asks_for_a_key(beyond: ServerProcess) -> None:
    assert beyond.get("/model").status_code == 401
    assert beyond.client.get("/model", headers={"X-API-Key": KEY}).status_code == 503
    assert beyond.get("/metrics").status_code == 200
    beyond.wait_until(lambda server: "Listening on" in server.stdout.read_text())
    said = beyond.stdout.read_text()
    assert "http://0.0.0.0:" in said
    assert "localhost" not in said.partition("\n")[0]
    assert KEY not in said + beyond.stderr.read_text()


@pytest.mark.parametrize("script", ["poc/serve_model.py", "scripts/serve_features.py"])
@pytest.mark.fault("Requests", "a server beyond loopback without keys", "it does not start, and says how")
def test_server_beyond_loopback_does_not_start_without_keys(tmp_path: Path, script: str) -> None:
    place = {"HOST": "0.0.0.0", "PORT": str(free_port()), "FEAST_REPO_PATH": str(ROOT / "feature_repo")}
    done = subprocess.run(
        [sys.executable, str(ROOT / script)],
        cwd=tmp_path, env=os.environ | place, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "HOST=0.0.0.0 can be reached from other machines" in done.stderr
    assert "API_KEYS=off" in done.stderr
    assert "Traceback" not in done.stderr


def test_server_with_a_certificate_speaks_tls_and_nothing_else(
    start: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    ensure_certificates(tmp_path)
    pair = {"TLS_CERTIFICATE": str(tmp_path / "client.pem"), "TLS_KEY": str(tmp_path / "client.key")}
    server = start(**pair)
    url = server.url.replace("http:", "https:")
    server.client = httpx.Client(base_url=url, verify=False)
    server.wait_until_live()
    answer = server.get("/live")
    assert answer.headers["strict-transport-security"]
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{url.rpartition(':')[2]}/live")


def test_metrics_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    place = {"PORT": str(free_port()), "FEAST_REPO_PATH": str(ROOT / "feature_repo")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "poc/serve_model.py")],
        cwd=tmp_path, env=os.environ | place | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "PROMETHEUS_MULTIPROC_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_empty_metrics_folder_is_none(start: Callable[..., ServerProcess]) -> None:
    server = start(PROMETHEUS_MULTIPROC_DIR="")
    server.wait_until_live()
    assert "predictions_total" in server.get("/metrics").text


@pytest.mark.fault("Processes", "two SIGTERMs at once", "the server ends with exit status 0")
def test_two_signals_together_end_a_server_with_status_0(start: Callable[..., ServerProcess]) -> None:
    # The system may make one of two: then the grace is waited for.
    server = start(SHUTDOWN_GRACE_SECONDS="3")
    server.wait_until_live()
    server.process.send_signal(signal.SIGTERM)
    assert server.stop() == 0
