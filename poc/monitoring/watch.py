"""The state of the online store, read in the background: who asks never waits, and gets the last known."""

import logging
import threading
import time
from collections.abc import Callable

from poc.monitoring.state import State, StateReader
from poc.online_store.errors import NoCassandra

log = logging.getLogger(__name__)


class StateWatch:
    """Reads the state at an interval, in a thread of its own.

    Args:
        opens: connects; what it raises is tried again at the next turn, but for NoCassandra: such a store
            has no state to show, and nothing is told of it.
        interval_seconds: how long to wait between two reads.
        on_read: is told when a read succeeded, in Unix time.
        on_failure: is told that one failed.
    """

    def __init__(
        self,
        opens: Callable[[], StateReader],
        interval_seconds: float,
        on_read: Callable[[float], object] = lambda moment: None,
        on_failure: Callable[[], object] = lambda: None,
    ) -> None:
        self._opens, self._interval_seconds = opens, interval_seconds
        self._on_read, self._on_failure = on_read, on_failure
        self.state: State | None = None
        """What was read last; None before the first read. It stays when later reads fail."""
        self._reader: StateReader | None = None
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-watch", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and disconnect. Waits a moment for a read that is under way."""
        self._stopping.set()
        self._thread.join(timeout=2.0)
        if self._reader is not None:
            self._reader.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._read()
            self._stopping.wait(self._interval_seconds)

    def _read(self) -> None:
        try:
            if self._reader is None:
                self._reader = self._opens()
            self.state = self._reader.read()
        except NoCassandra:
            self._stopping.set()
            return
        except Exception as error:  # Whatever it is: it is counted, and must not end the thread.
            self._on_failure()
            if self._stopping.is_set() or str(error) == self._failure:
                return
            self._failure = str(error)
            log.warning("The state of the online store cannot be read: %s", error)
            return
        if self._failure is not None:
            log.info("The state of the online store is read again")
        self._failure = None
        self._on_read(time.time())
