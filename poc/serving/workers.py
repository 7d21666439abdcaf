"""Several processes that answer at one address: started, told to stop, and replaced when they are killed.

Knows processes and signals. What a worker does, and what its metrics are, is told from outside.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from poc.command_line import run
from poc.errors import WorkerEnded

log = logging.getLogger(__name__)

# A worker that is killed at once when it starts, for want of memory perhaps, must not keep the machine busy.
RESTART_SECONDS = 1.0


def supervise(workers: int, work: Callable[[bool], None], ended: Callable[[int], object]) -> None:
    """Run `work` in `workers` processes until SIGTERM or Ctrl-C, and until all of them have ended then.

    Each is a fresh interpreter: one that was forked would share the locks and threads of Feast's
    libraries. `work` and what it holds is pickled; it is called with true in the one that may speak for all.
    `ended` is told the process id of one that has ended. A worker that a signal killed is replaced.

    Raises WorkerEnded: a worker stopped by itself.
    """
    context = multiprocessing.get_context("spawn")
    running: dict[int, SpawnProcess] = {}
    told: list[int] = []

    def start(speaks: bool) -> None:
        # Daemonic: none outlives this process if it ends by an exception.
        process = context.Process(target=_worker, args=(work, speaks), daemon=True)
        process.start()
        assert process.pid is not None
        running[process.pid] = process
        if told:
            # The signal came while this one was started, and was passed on without it.
            _stop(running, signal.SIGTERM)

    with _forwarded(running, told):
        for number in range(workers):
            start(speaks=number == 0)
        while running:
            wait([process.sentinel for process in running.values()])
            for pid, process in [(pid, item) for pid, item in running.items() if not item.is_alive()]:
                process.join()
                del running[pid]
                ended(pid)
                status = process.exitcode
                if told:
                    continue
                if status is None or status >= 0:
                    _stop(running, signal.SIGTERM)
                    raise WorkerEnded(pid, status)
                log.error("Worker %d was killed by signal %d; another takes its place", pid, -status)
                time.sleep(RESTART_SECONDS)
                if not told:
                    start(speaks=False)


@contextmanager
def _forwarded(running: dict[int, SpawnProcess], told: list[int]) -> Iterator[None]:
    """Pass SIGTERM and Ctrl-C on to `running` until the block ends, and note them in `told`."""

    def forward(sig: int, frame: FrameType | None) -> None:
        # Takes no lock, as setting an Event would: a second signal may come before it is given back.
        told.append(sig)
        _stop(running, sig)

    before = {sig: signal.signal(sig, forward) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _stop(running: dict[int, SpawnProcess], sig: int) -> None:
    for pid, process in list(running.items()):
        if process.is_alive():
            os.kill(pid, sig)


def _worker(work: Callable[[bool], None], speaks: bool) -> None:
    threading.Thread(target=_stop_with_parent, name="parent-watch", daemon=True).start()
    run(lambda: work(speaks))


def _stop_with_parent() -> None:
    """End as if told to when the supervisor is gone: it may have been killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
