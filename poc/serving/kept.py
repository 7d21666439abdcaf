"""Something the server needs and cannot always have: opened in the background, and again until it works."""

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from poc.errors import OpeningFailed, PocError, StillOpening

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_SECONDS = 1.0


class Kept(Generic[T]):
    """A value that requests take as it is, and that one thread of its own opens, renews and repairs.

    No request ever waits for it: `get` gives the value, or raises at once what stands in its way.

    Args:
        component: what it is, for messages: `features`, `model`.
        opens: makes the value; what it raises is tried again after `retry_seconds`.
        renews: gives the value to go on with, the same or another; raises what has become wrong with it.
        closes: gives the value up.
        renew_seconds: how often to renew a value that nobody suspects; None for never.
        retry_seconds: how long to wait after a failure.
    """

    def __init__(
        self,
        component: str,
        opens: Callable[[], T],
        renews: Callable[[T], T],
        closes: Callable[[T], object] = lambda value: None,
        *,
        renew_seconds: float | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._component = component
        self._opens, self._renews, self._closes = opens, renews, closes
        self._renew_seconds, self._retry_seconds = renew_seconds, retry_seconds
        self._value: T | None = None
        self._error: PocError | None = StillOpening(component)
        self._stopping = False
        self._wake = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kept-{component}", daemon=True)

    def start(self) -> None:
        """Begin to open the value."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing and give the value up. Waits a moment for an attempt that is under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=2.0)
        if self._value is not None:
            self._closes(self._value)

    def get(self) -> T:
        """Give the value.

        Raises:
            PocError: what stands in its way.
        """
        value, error = self._value, self._error
        if error is not None:
            # The same error is raised to many requests: without this each would lengthen its traceback.
            raise error.with_traceback(None)
        assert value is not None
        return value

    @property
    def latest(self) -> T | None:
        """The value as it was last opened or renewed, whatever has become wrong with it; None before that."""
        return self._value

    def suspect(self, error: PocError) -> None:
        """Report that the value failed with `error`: until it is renewed, `get` raises that at once."""
        self._error = error
        self._wake.set()

    def wait_until_tried(self, timeout_seconds: float) -> None:
        """Wait until the first attempt to open the value has ended, however it did."""
        self._tried.wait(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._attempt()
            self._tried.set()
            self._wake.wait(self._renew_seconds if self._error is None else self._retry_seconds)

    def _attempt(self) -> None:
        before = self._error
        try:
            self._value = self._opens() if self._value is None else self._renews(self._value)
            self._error = None
        except PocError as error:
            self._error = error
        except Exception as error:  # Whatever it is, the next attempt may succeed; the log tells of it.
            log.exception("Loading the %s failed", self._component)
            self._error = OpeningFailed(self._component, error)
        if self._error is None and before is not None:
            log.info("Loaded the %s", self._component)
        elif self._error is not None and (before is None or before.what != self._error.what):
            log.warning("No %s: %s", self._component, self._error.what)
