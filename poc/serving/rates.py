"""How many requests a second each client may make."""

import time
from collections import OrderedDict
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
        # What is left of each client's tokens, and when that was; who asked last comes last.
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def admit(self, client: bytes) -> bool:
        """Return whether `client` may ask now, and count that it did."""
        now = self._clock()
        tokens, since = self._left.pop(client, (self._most, now))
        tokens = min(tokens + (now - since) * self._per_second, self._most)
        admitted = tokens >= 1
        self._left[client] = (tokens - admitted, now)
        self._forget(now)
        return admitted

    def _forget(self, now: float) -> None:
        """Drop of too many those whose bucket is full again: they are as if they had never asked."""
        full = self._most / self._per_second
        while len(self._left) > MOST_CLIENTS:
            _, since = next(iter(self._left.values()))
            if now - since < full:
                break
            self._left.popitem(last=False)


def read_rates(settings: Settings) -> Rates | None:
    """Return what counts the requests as `settings` bound them; None where they do not."""
    return None if settings.requests_per_second is None else Rates(settings.requests_per_second)
