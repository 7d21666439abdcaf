"""Send one statement for each of many rows, until Cassandra has acknowledged every one.

A writer sends a block of rows once and says which were not acknowledged; `write_all` asks again, more and
more slowly. The writers here use cassandra-driver; `write_drivers` chooses between them and acsylla.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import tenacity
from cassandra import OperationTimedOut, Timeout, Unavailable, WriteFailure
from cassandra.cluster import NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError

from poc.online_store.bound_rows import BoundRow, later_write_time
from poc.online_store.errors import NotAcknowledged
from poc.online_store.failures import refused_by_guardrail
from poc.online_store.session import WRITE, prepare

logger = logging.getLogger(__name__)

Stored = Callable[[Sequence[BoundRow]], Sequence[int | None]]
MAX_ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 10.0
PASSING_ERRORS = (
    OperationTimedOut,
    Timeout,
    Unavailable,
    WriteFailure,
    NoHostAvailable,
    ConnectionException,
    OverloadedErrorMessage,
    IsBootstrappingErrorMessage,
    ServerError,
)
# With so many errors in one block the cluster is at fault: better wait than go on.
GIVE_UP_ERRORS = 64
# A node lists a column that somebody else has just added before it knows it.
_UNTIL_KNOWN = tenacity.Retrying(
    stop=tenacity.stop_after_attempt(5),
    wait=tenacity.wait_fixed(0.2),
    retry=tenacity.retry_if_exception_message(match=".*Undefined column"),
    reraise=True,
)


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


class Writer(Protocol):
    """One prepared statement and a way to send it."""

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """Send the statement once for each of `rows`; stop early when nothing gets through."""

    def fetch(self, cql: str) -> list[tuple[Any, ...]]:
        """Run one small query."""

    def close(self) -> None:
        """Give up the connections that are the writer's own."""


class DriverWriter:
    """A `Writer` over a session, which stays the caller's unless `owns_session`."""

    def __init__(self, session: Session, cql: str, concurrency: int, owns_session: bool = False) -> None:
        self._session, self._concurrency, self._owns_session = session, concurrency, owns_session
        try:
            self._statement = _UNTIL_KNOWN(prepare, session, cql)
        except BaseException:
            self.close()
            raise

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """Send the statement once for each of `rows`, `concurrency` at a time."""
        lanes = min(self._concurrency, len(rows))
        acknowledged, permits = bytearray(len(rows)), threading.Semaphore(lanes)
        errors: list[Exception] = []
        waiting = dict.fromkeys(range(len(rows)))

        def answered(index: int) -> None:
            # Of a row that two nodes were asked for the driver tells twice.
            if waiting.pop(index, index) is None:
                permits.release()

        def on_success(_: object, index: int) -> None:
            acknowledged[index] = 1
            answered(index)

        def on_error(error: Exception, index: int) -> None:
            errors.append(error)
            answered(index)

        for index, row in enumerate(rows):
            permits.acquire()
            if is_hopeless(errors, min(lanes, GIVE_UP_ERRORS), PASSING_ERRORS):
                permits.release()
                break
            try:
                future = self._session.execute_async(self._statement, row, execution_profile=WRITE)
            except Exception as error:  # Binding failed: the value, not the cluster, is at fault.
                on_error(error, index)
            else:
                future.add_callbacks(on_success, on_error, callback_args=(index,), errback_args=(index,))
        for _ in range(lanes):
            permits.acquire()
        return outcome(rows, acknowledged, errors, PASSING_ERRORS)

    def fetch(self, cql: str) -> list[tuple[Any, ...]]:
        """Run one small query."""
        return [tuple(row) for row in self._session.execute(cql).all()]

    def close(self) -> None:
        """End the session if it is the writer's own."""
        if self._owns_session:
            self._session.cluster.shutdown()


class ReplacingWriter(DriverWriter):
    """A `DriverWriter` whose rows replace a stored one of the same event time whole.

    A row has its write time, µs, at the place `at`; that of the stored one tells `stored`, None for none.
    """

    def __init__(self, session: Session, cql: str, concurrency: int, at: int, stored: Stored) -> None:
        super().__init__(session, cql, concurrency)
        self._at, self._stored = at, stored

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """See `DriverWriter.send`; what is stored is looked up first."""
        at = self._at
        try:
            stored = zip(rows, self._stored(rows), strict=True)
        except PASSING_ERRORS as error:
            return Outcome(rows, error)
        return super().send(
            [(*row[:at], later_write_time(row[at], time), *row[at + 1 :]) for row, time in stored]
        )


def is_hopeless(errors: Sequence[Exception], most: int, passing: tuple[type[BaseException], ...]) -> bool:
    """Tell whether a whole window of statements failed, or one row can never be written."""
    return len(errors) >= most or not all(isinstance(error, passing) for error in errors)


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


def write_all(
    writer: Writer,
    rows: Sequence[BoundRow],
    *,
    attempts: int = MAX_ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send until all of `rows` are acknowledged. Sending a row twice does no harm: both are the same write.

    There are so many `attempts` at most, with a random, doubling wait between, 10 s at the longest.

    Raises:
        NotAcknowledged: an error that will not pass, or too many attempts.
        RefusedByGuardrail: Cassandra has a limit against them.
    """
    remaining = rows
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception(lambda error: getattr(error, "worth_repeating", False)),
        before_sleep=tenacity.before_sleep_log(logger, logging.WARNING),
        reraise=True,
        sleep=sleep,
    ):
        with attempt:
            met = writer.send(remaining)
            remaining = met.remaining
            if met.error is not None:
                missed = NotAcknowledged(len(remaining), len(rows), met.error, met.worth_repeating)
                refused = refused_by_guardrail(str(met.error))
                raise (missed if refused is None else refused) from met.error
