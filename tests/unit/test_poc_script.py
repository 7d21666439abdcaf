"""`make poc` whatever the settings say of keys, TLS and addresses, and what it says of servers that fail.

The steps before the servers are left out, and the servers are small ones that read the same settings.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ports import free_port

from poc.local_cassandra.secure import ensure_certificates

KEY = "0123456789abcdef"
SERVER = """
import ssl, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from poc.serving.keys import read_keys
from poc.settings import load_settings

settings = load_settings()
keys = read_keys(settings)

class Handler(BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer(200 if self.path == "/ready" else 404, "")

    def do_POST(self):
        brought = {b"x-api-key": self.headers.get("X-API-Key", "").encode()}
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        good = keys is None or keys.admit(brought) is not None
        self.answer(*(200, f"scored {asked} on {settings.host}") if good else (401, "no key"))

server = HTTPServer((settings.host, settings.port), Handler)
if settings.tls_key is not None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
Poc = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def poc(project: Path, tmp_path: Path) -> Poc:
    for path in project.glob("scripts/0*.sh"):
        path.write_text("#!/bin/sh\n")
    (project / "poc/train_fraud_model.py").write_text("")
    (project / "scripts/sample_transaction.py").write_text("print('{}')")
    for name in ("serve_model", "serve_model_feast"):
        (project / f"poc/{name}.py").write_text(SERVER)
    # No curl: README does not ask for one.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "mkdir", "tail", "cat", "make"):
        (programs / name).symlink_to(
            f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}"
        )

    def run(**settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "PATH": str(programs),
            "VIRTUAL_ENV": sys.prefix,
            "PYTHONPATH": str(project),
            "FEAST_PORT": str(free_port()),
            "DIRECT_PORT": str(free_port()),
            **settings,
        }
        command = ["scripts/run_poc.sh"]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_servers_without_keys_are_asked_as_it_is_printed(poc: Poc) -> None:
    done = poc()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓ A server answers at http://127.0.0.1:") == 2
    assert done.stdout.count("/predict -H 'Content-Type: application/json' -d '{}'\n") == 2
    assert done.stdout.count("scored {} on 127.0.0.1\n") == 2


def test_keys_and_an_address_of_the_settings_are_kept_to_and_not_shown(
    poc: Poc, project: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\n")
    keys.chmod(0o600)
    (project / ".env").write_text(f"API_KEYS_FILE={keys}\nHOST=0.0.0.0\n")
    for settings in ({}, {"API_KEYS": f"{KEY},{KEY}2"}):
        done = poc(**settings)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("scored {} on 127.0.0.1\n") == 2
        assert 'X-API-Key: $API_KEY"' in done.stdout
        assert KEY not in done.stdout
        (project / ".env").unlink(missing_ok=True)


def test_servers_that_speak_https_are_asked_over_it(poc: Poc, tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    done = poc(TLS_CERTIFICATE=str(tmp_path / "client.pem"), TLS_KEY=str(tmp_path / "client.key"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("curl -k -X POST https://127.0.0.1:") == 2
    assert done.stdout.count("scored {} on 127.0.0.1\n") == 2


@pytest.mark.parametrize(
    ("feast", "direct", "said"),
    [
        ("8310", "8310", "FEAST_PORT and DIRECT_PORT are both 8310"),
        ("abc", "8311", "abc is no port"),
        ("8310", "99999", "99999 is no port"),
        ("0", "8311", "0 is no port"),
    ],
)
def test_ports_that_cannot_be_are_refused_before_the_first_step(
    poc: Poc, feast: str, direct: str, said: str
) -> None:
    refused = poc(FEAST_PORT=feast, DIRECT_PORT=direct)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("print('it is broken'); raise SystemExit(1)", "its process has ended"),
        (SERVER.replace("200, f", "422, f"), "/predict gave no prediction: 422 scored {}"),
    ],
)
def test_server_that_fails_is_named_with_what_it_said(
    poc: Poc, project: Path, server: str, reason: str
) -> None:
    (project / "poc/serve_model.py").write_text(f"import sys; print('it said so', file=sys.stderr)\n{server}")
    done = poc()
    assert done.returncode == 1
    assert reason in done.stderr
    assert "✗ serve_model gave no prediction; the end of data/logs/serve_model.log:\n" in done.stderr
    assert "it said so" in done.stderr
