"""The parent of several workers, in a process of its own: what signals do to it."""

import signal
import subprocess
import sys
from pathlib import Path

PARENT = """
import signal
import sys
import time

from poc.serving.workers import supervise


def work(speaks):
    # Goes on for a while, as one that has requests in flight.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("up", flush=True)
    time.sleep(2)


def interrupt(frame, event, argument):
    # Another signal at every step of what handles the first.
    handler = getattr(signal.getsignal(signal.SIGTERM), "__code__", None)
    while frame is not None and event in ("call", "c_call"):
        if frame.f_code is handler:
            signal.raise_signal(signal.SIGTERM)
            return
        frame = frame.f_back


if __name__ == "__main__":
    sys.setprofile(interrupt)
    supervise(2, work, lambda pid: None)
    print("ended", flush=True)
"""


def test_signals_that_come_while_one_is_handled_do_not_hang_it(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline() for _ in range(2)] == ["up\n"] * 2
        parent.send_signal(signal.SIGTERM)
        try:
            said, _ = parent.communicate(timeout=60)
        finally:
            parent.kill()
    assert (parent.returncode, said) == (0, "ended\n")
