import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from poc.child_process import child_process

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for_line(path: Path) -> str:
    wait_until(lambda: path.read_text().endswith("\n"))
    return path.read_text()


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_program_that_does_not_end_when_told_is_ended_with_what_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as output, child_process([sys.executable, "-c", STUBBORN], output, 0.1) as process:
        worker = psutil.Process(int(wait_for_line(log)))
        assert process.poll() is None
    assert process.returncode == -9
    # The system's first process takes its end note, where there is one.
    wait_until(lambda: has_ended(worker))


def test_program_has_the_variables_that_are_given_beside_ours(tmp_path: Path) -> None:
    log = tmp_path / "log"
    says = [sys.executable, "-c", "import os; print(os.environ['OURS'], 'PATH' in os.environ)"]
    with log.open("w") as output, child_process(says, output, 10, {"OURS": "yes"}) as process:
        process.wait()
    assert log.read_text() == "yes True\n"
