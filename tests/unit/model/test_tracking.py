import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from poc.errors import ModelRegistryUnavailable, without_login
from poc.model.registry import load_scorer
from poc.model.tracking import database_file, is_server, open_client
from poc.settings import Settings


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ann:secret@mlflow.internal:5000/x", "http://mlflow.internal:5000/x"),
        ("postgresql://ann:secret@db/mlflow", "postgresql://db/mlflow"),
        ("sqlite:///data/mlflow.db", "sqlite:///data/mlflow.db"),
    ],
)
def test_passwords_are_not_shown(uri: str, shown: str) -> None:
    assert without_login(uri) == shown


def test_database_file_is_relative_to_the_working_directory() -> None:
    assert database_file(Settings(mlflow_tracking_uri="sqlite:///data/mlflow.db")) == Path("data/mlflow.db")
    assert database_file(Settings(mlflow_tracking_uri="sqlite:////tmp/x.db?mode=rw")) == Path("/tmp/x.db")
    # As SQLAlchemy reads it.
    assert database_file(Settings(mlflow_tracking_uri="sqlite:///my%20data/a+b.db")) == Path("my data/a+b.db")
    assert database_file(Settings(mlflow_tracking_uri="http://localhost:5000")) is None


def test_server_is_told_from_a_file() -> None:
    assert is_server(Settings(mlflow_tracking_uri="https://mlflow.internal"))
    assert not is_server(Settings(mlflow_tracking_uri="sqlite:///data/mlflow.db"))


@pytest.mark.alone
def test_server_that_is_down_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ModelRegistryUnavailable, match=f"127.0.0.1:{port}.*refused"):
        load_scorer(Settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}"))
    assert time.monotonic() - started < 2


@pytest.mark.alone
def test_server_that_says_nothing_is_given_up_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(ModelRegistryUnavailable, match="timed out"):
            load_scorer(Settings(mlflow_tracking_uri=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - started < 8


def test_server_that_speaks_another_language_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        answer = threading.Thread(target=lambda: other.accept()[0].sendall(b"220 mail.example.com\r\n"))
        answer.start()
        with pytest.raises(ModelRegistryUnavailable, match="220 mail"):
            load_scorer(Settings(mlflow_tracking_uri=f"http://127.0.0.1:{other.getsockname()[1]}"))
        answer.join()


def test_web_server_that_is_no_mlflow_is_refused() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with pytest.raises(ModelRegistryUnavailable, match="501"):
            load_scorer(Settings(mlflow_tracking_uri=f"http://127.0.0.1:{other.server_port}"))
        other.shutdown()


@pytest.mark.parametrize("uri", ["foo://x", "http://[broken", "http:///nohost"])
def test_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(ModelRegistryUnavailable):
        load_scorer(Settings(mlflow_tracking_uri=uri))


@pytest.mark.alone
def test_database_whose_driver_is_not_installed_is_told_without_its_password() -> None:
    settings = Settings(mlflow_tracking_uri="postgresql+pg8000://ann:secret@127.0.0.1:1/mlflow")
    with pytest.raises(ModelRegistryUnavailable, match="No module named 'pg8000'") as told:
        load_scorer(settings)
    assert "secret" not in told.value.what


def test_file_that_is_no_database_is_told_within_seconds(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database at all, but long enough to be read as one" * 20)
    started = time.monotonic()
    with pytest.raises(ModelRegistryUnavailable, match="not a database"):
        load_scorer(Settings(mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"))
    assert time.monotonic() - started < 30


def test_limits_that_a_person_set_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    (tmp_path / "mlflow.db").write_text("no database" * 200)
    with pytest.raises(ModelRegistryUnavailable):
        open_client(Settings(mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"))
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"


def test_user_whom_the_system_does_not_know_can_open_the_tracking_store(tmp_path: Path) -> None:
    program = """
import pwd, sys
def unknown(user): raise KeyError(user)
pwd.getpwuid = unknown
from poc.model.tracking import open_client
from poc.settings import Settings
open_client(Settings(_env_file=None, mlflow_tracking_uri=sys.argv[1]))
from mlflow.tracking.context.registry import resolve_tags
print(resolve_tags()["mlflow.user"])
"""
    names = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")
    environment = {name: text for name, text in os.environ.items() if name not in names}
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path}/mlflow.db"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "unknown\n"), done.stderr
