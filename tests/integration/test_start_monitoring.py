"""scripts/start_monitoring.py, which `make monitor` calls, with a real Prometheus."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from ports import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[int], "subprocess.Popen[str]"]]:
    """Starts the script for a port, with its data in a folder of the test's own."""
    started: list[subprocess.Popen[str]] = []
    programs = tmp_path / "bin"
    programs.mkdir()
    # Without Docker, which would fetch Grafana's image.
    (programs / "prometheus").symlink_to(str(shutil.which("prometheus")))

    def start(port: int) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "scripts/start_monitoring.py"],
            cwd=ROOT,
            env=os.environ | {"PATH": str(programs), "PROMETHEUS_PORT": str(port), "DATA_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate()


def watched(port: int) -> set[str]:
    """The jobs that Prometheus watches, once there are any."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        targets = httpx.get(f"http://127.0.0.1:{port}/api/v1/targets").json()["data"]["activeTargets"]
        if targets:
            return {item["labels"]["job"] for item in targets}
        time.sleep(0.2)
    return set()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def prometheus_of(process: "subprocess.Popen[str]") -> psutil.Process:
    """The one it runs, which answers already; looking for docker is a child for a moment, too."""
    [prometheus] = [child for child in psutil.Process(process.pid).children() if child.name() == "prometheus"]
    return prometheus


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_runs_prometheus_until_told_to_stop(start: Callable, tmp_path: Path, sig: signal.Signals) -> None:
    port = free_port()
    process = start(port)
    link = process.stdout.readline().partition("ready: ")[2].split()[0]
    assert link.startswith(f"http://127.0.0.1:{port}/")
    assert "targets" in link
    assert httpx.get(link).is_success
    assert httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success
    # It reads the targets some seconds after it is ready.
    assert watched(port) == {"serve_model_feast", "serve_model"}
    prometheus = prometheus_of(process)
    process.send_signal(sig)
    assert process.wait(timeout=30) == 0
    assert not prometheus.is_running()
    assert (tmp_path / "prometheus/wal").is_dir()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_stops_at_once_while_prometheus_is_not_ready_yet(
    start: Callable, tmp_path: Path, sig: signal.Signals
) -> None:
    slow = tmp_path / "bin/prometheus"
    slow.unlink()
    slow.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    slow.chmod(0o700)
    process = start(free_port())
    wait_until(lambda: bool(psutil.Process(process.pid).children()))
    [prometheus] = psutil.Process(process.pid).children()
    process.send_signal(sig)
    # Its own patience is a minute.
    assert process.wait(timeout=20) == 0
    assert not prometheus.is_running()
    assert "ready" not in process.stdout.read()


def test_stops_however_often_it_is_told_to(start: Callable) -> None:
    process = start(free_port())
    said = process.stdout.readline()
    assert "Prometheus is ready" in said
    prometheus = prometheus_of(process)
    # A terminal and make each send one; a lock in what hears them would be waited for for ever.
    for _ in range(200):
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not prometheus.is_running()


def test_prometheus_that_ends_is_an_error_with_its_last_words(start: Callable, tmp_path: Path) -> None:
    process = start(free_port())
    process.stdout.readline()
    prometheus = prometheus_of(process)
    prometheus.kill()
    assert process.wait(timeout=30) == 1
    said = process.stderr.read()
    assert "✗ Prometheus ended with status -9" in said
    assert str(tmp_path / "prometheus/prometheus.log") in said


def test_taken_port_is_named_with_the_variable_that_changes_it(start: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(port)
        assert process.wait(timeout=30) == 1
    assert f"✗ Prometheus cannot listen on 127.0.0.1:{port}" in (said := process.stderr.read())
    assert "PROMETHEUS_PORT=9191" in said
