"""Ctrl-C and SIGTERM while a start is under way: they end it in an orderly way, and never between two steps
that belong together.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptible:
    """Turns Ctrl-C, SIGTERM and SIGHUP into KeyboardInterrupt, except in `unbroken()`, where it comes after.

    Without it, a SIGTERM (a CI job's end, a closed terminal) would leave a half-started process behind. Only
    a program's main thread can do so; in another one this does nothing.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interruptible":
        if threading.current_thread() is threading.main_thread():
            # Who starts this with nohup, or in a shell's background, wants the signal ignored.
            heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self._before = {number: signal.signal(number, self._on_signal) for number in heard}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Let what is inside finish; an interruption that came meanwhile is raised at the end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._pending = True
        else:
            raise KeyboardInterrupt
