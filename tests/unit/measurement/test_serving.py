import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from poc.errors import InvalidSettings, ProgramMissing
from poc.measurement.serving import ask_for_predictions, requests_and_environments, require_wrk
from poc.settings import Settings


class Answerer(BaseHTTPRequestHandler):
    """Answers known ids with 200 and others with 404, and remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body["transaction_id"])
        self.send_response(404 if body["transaction_id"] == "stranger" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Answerer.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answerer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def bodies(folder: Path, *ids: str) -> Path:
    path = folder / "bodies"
    path.write_text("".join(json.dumps({"transaction_id": item}) + "\n" for item in ids))
    return path


def test_bodies_are_asked_in_turns_and_counted(url: str, tmp_path: Path) -> None:
    outcome = ask_for_predictions(url, bodies(tmp_path, "a", 'b "quoted"', "c"), 1, 1)
    assert set(Answerer.asked[:3]) == {"a", 'b "quoted"', "c"}
    assert Answerer.asked[3] == Answerer.asked[0]
    assert 0 < outcome["requests"] <= len(Answerer.asked)
    assert outcome["errors"] == 0
    assert 0 < outcome["p50_ms"] <= outcome["p95_ms"] <= outcome["p99_ms"]
    assert outcome["seconds"] == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("said", [{"api_keys": SecretStr("0123456789abcdef")}, {"tls_key": __file__}])
def test_servers_that_not_everybody_may_ask_are_not_measured(said: dict[str, object]) -> None:
    place = SimpleNamespace(settings=Settings(_env_file=None, **said))
    with pytest.raises(InvalidSettings, match="measured without them"), requests_and_environments(place):
        pass


def test_answers_that_are_no_predictions_are_errors(url: str, tmp_path: Path) -> None:
    outcome = ask_for_predictions(url, bodies(tmp_path, "stranger"), 1, 1)
    assert outcome["errors"] == outcome["requests"] > 0


def test_missing_load_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="apt-get install wrk"):
        require_wrk()


def test_version_of_the_load_tool_is_the_packages_own() -> None:
    described = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "wrk"], capture_output=True, text=True, check=True
    )
    assert require_wrk() == described.stdout
