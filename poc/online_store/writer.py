"""Send one statement for each of many rows, until Cassandra has acknowledged every one.

A writer sends a block of rows once and says which were not acknowledged; `write_all` asks again, more
and more slowly. Which driver sends is the writer's business (`driver_writer`, `writers`).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from poc.online_store.errors import NotAcknowledged

logger = logging.getLogger(__name__)

BoundRow = tuple[Any, ...]
MAX_ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a block of rows.

    Attributes:
        remaining: the rows that were not acknowledged, sent or not.
        error: the first that was met; None where nothing remains.
        worth_repeating: whether every error met may pass: a timeout, an overload, too few replicas.
    """

    remaining: Sequence[BoundRow]
    error: Exception | None = None
    worth_repeating: bool = True


def outcome(
    rows: Sequence[BoundRow],
    acknowledged: bytearray,
    errors: Sequence[Exception],
    passing: tuple[type[BaseException], ...],
) -> Outcome:
    """Sum up what became of `rows`; errors of the `passing` types may pass."""
    remaining = [row for row, there in zip(rows, acknowledged, strict=True) if not there]
    lasting = [error for error in errors if not isinstance(error, passing)]
    return Outcome(remaining, next(iter(lasting or errors), None), worth_repeating=not lasting)


class Writer(Protocol):
    """One prepared statement and a way to send it."""

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """Send the statement once for each of `rows`; stop early when nothing gets through."""
        ...

    def fetch(self, cql: str) -> list[tuple[Any, ...]]:
        """Run one small query."""
        ...

    def close(self) -> None:
        """Give up the connections that are the writer's own."""
        ...


def write_all(
    writer: Writer,
    rows: Sequence[BoundRow],
    *,
    attempts: int = MAX_ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send until all of `rows` are acknowledged. Sending a row twice does no harm: both are the same write.

    Args:
        attempts: how often at most; with a random, doubling wait between, 10 s at the longest.
        sleep: waits so many seconds.

    Raises:
        NotAcknowledged: an error that will not pass, or too many attempts.
    """
    remaining = rows
    for attempt in Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        retry=retry_if_exception(lambda error: getattr(error, "worth_repeating", False)),
        before_sleep=before_sleep_log(logger, logging.WARNING),
        reraise=True,
        sleep=sleep,
    ):
        with attempt:
            met = writer.send(remaining)
            remaining = met.remaining
            if met.error is not None:
                raise NotAcknowledged(
                    len(remaining), len(rows), met.error, met.worth_repeating
                ) from met.error
