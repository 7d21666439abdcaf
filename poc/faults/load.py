"""A constant load in the background, and what became of every operation of it.

Knows nothing of Cassandra: an operation is a function that raises when it failed.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Operation = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Done:
    """One operation: when it began, of `time.monotonic`, how long it took, what it raised if it failed."""

    began: float
    seconds: float
    error: Exception | None


class Load:
    """Runs `operation` at a fixed rate, until the end of the block.

    One that is late does not hold the others up as long as a thread is free: a user does not wait for
    another user's answer. The operation is called by several threads at once.
    """

    def __init__(self, operation: Operation, per_second: float, threads: int) -> None:
        self._operation = operation
        self._pause = threads / per_second
        self._stop = threading.Event()
        self._done: list[Done] = []
        self._threads = [
            threading.Thread(target=self._run, args=(self._pause * i / threads,), daemon=True)
            for i in range(threads)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def between(self, begin: float, end: float) -> tuple[Done, ...]:
        """Return what began in [begin, end) of `time.monotonic`, and is done by now."""
        return tuple(done for done in tuple(self._done) if begin <= done.began < end)

    def _run(self, delay: float) -> None:
        due = time.monotonic() + delay
        while not self._stop.wait(max(due - time.monotonic(), 0.0)):
            began = time.monotonic()
            error = None
            try:
                self._operation()
            except Exception as raised:  # Whatever it is, it failed: that is what is counted.
                error = raised
            now = time.monotonic()
            self._done.append(Done(began, now - began, error))
            # One that took longer than its pause is not made up for: the rate drops, and no burst follows.
            due = max(due + self._pause, now)


def percentile_ms(done: Sequence[Done], percent: float) -> float | None:
    """Return the time in ms that so many percent of `done` took at most; None of none."""
    if not done:
        return None
    ordered = sorted(item.seconds for item in done)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] * 1000
