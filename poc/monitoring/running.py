"""A program of others in a process of its own: started, waited for until it can be used, and ended."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from poc.errors import MonitoringFailed, MonitoringPortTaken
from poc.monitoring.programs import LISTEN, Program

POLL_SECONDS = 0.1
# One that accepts and is silent holds up the end of the wait for as long.
ANSWER_SECONDS = 1.0
STOP_SECONDS = 30.0


class RunningProgram:
    """One that was started.

    Attributes:
        program: what runs.
        log: where it writes what it says.
    """

    def __init__(self, program: Program, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.program, self.log = program, log
        self._process = process

    def require_running(self) -> None:
        """Make sure that it has not ended.

        Raises:
            MonitoringFailed: it has.
        """
        status = self._process.poll()
        if status is not None:
            raise self._failure(f"ended with status {status}")

    def wait_until_ready(self, stopping: threading.Event) -> bool:
        """Wait until it says that it can be used, or until `stopping` is set; tell whether it can be used.

        Raises:
            MonitoringFailed: it ended, or took too long.
        """
        deadline = time.monotonic() + self.program.start_seconds
        while time.monotonic() < deadline:
            if stopping.is_set():
                return False
            self.require_running()
            try:
                with urlopen(self.program.url + self.program.ready_path, timeout=ANSWER_SECONDS):
                    return True
            except OSError:  # No answer yet, or the answer that it is not ready.
                stopping.wait(POLL_SECONDS)
        raise self._failure(f"was not ready within {self.program.start_seconds:g} s")

    def page(self, *paths: str) -> str:
        """Give the address of the first of `paths` that it answers, or of the first where it answers none."""
        for path in paths:
            try:
                with urlopen(self.program.url + path, timeout=ANSWER_SECONDS):
                    return self.program.url + path
            except OSError:
                continue
        return self.program.url + paths[0]

    def stop(self) -> None:
        """Tell it to end, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _failure(self, how: str) -> MonitoringFailed:
        return MonitoringFailed(self.program.name, how, self.log, self.log.read_text(errors="replace"))


@contextmanager
def running(program: Program, folder: Path) -> Iterator[RunningProgram]:
    """Run `program` until the end of the block; what it says goes to a file in `folder`, which is made.

    Raises:
        MonitoringPortTaken: something else listens at its port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _require_free(program)
    log = folder / f"{program.name.lower()}.log"
    with log.open("wb") as output:
        # Not in this program's group: Ctrl-C reaches it through `stop`, once.
        process = subprocess.Popen(
            program.command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    started = RunningProgram(program, process, log)
    try:
        yield started
    finally:
        started.stop()


def _require_free(program: Program) -> None:
    # Else a program of another person might answer that it is ready.
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((LISTEN, program.port))
        except OSError as error:
            raise MonitoringPortTaken(
                program.name, f"{LISTEN}:{program.port}", error.strerror or str(error), program.port_variable
            ) from error
