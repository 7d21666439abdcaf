"""How many requests a second each client may make."""

import time
from collections.abc import Callable

from poc.settings import Settings

# From so many clients on, those who have not asked lately are forgotten.
MOST_CLIENTS = 10_000


class Rates:
    """A bucket of tokens for each client, filled at a constant rate; a request takes one.

    Whoever was silent for a second may ask for a second's worth at once.

    Args:
        per_second: how many requests a client may make in a second.
        clock: seconds that only grow.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._most = max(per_second, 1.0)
        # What is left of each client's tokens, and when that was.
        self._left: dict[bytes, tuple[float, float]] = {}

    def admit(self, client: bytes) -> bool:
        """Return whether `client` may ask now, and count that it did."""
        now = self._clock()
        if client not in self._left and len(self._left) >= MOST_CLIENTS:
            self._forget(now)
        tokens, since = self._left.get(client, (self._most, now))
        tokens = min(tokens + (now - since) * self._per_second, self._most)
        admitted = tokens >= 1
        self._left[client] = (tokens - admitted, now)
        return admitted

    def _forget(self, now: float) -> None:
        """Drop those whose bucket is full again: they are as if they had never asked."""
        full = self._most / self._per_second
        self._left = {client: left for client, left in self._left.items() if now - left[1] < full}


def read_rates(settings: Settings) -> Rates | None:
    """Return what counts the requests as `settings` bound them; None where they do not."""
    return None if settings.requests_per_second is None else Rates(settings.requests_per_second)
