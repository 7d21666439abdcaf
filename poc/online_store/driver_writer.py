"""Write rows with cassandra-driver: a window of statements in flight, refilled by its callbacks."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cassandra import OperationTimedOut, Timeout, Unavailable, WriteFailure
from cassandra.cluster import NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError
from cassandra.query import PreparedStatement
from tenacity import retry, retry_if_exception_message, stop_after_attempt, wait_fixed

from poc.online_store.session import WRITE, prepare
from poc.online_store.write import later_write_time
from poc.online_store.writer import BoundRow, Outcome, outcome

Stored = Callable[[Sequence[BoundRow]], Sequence[int | None]]
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
# With so many errors in one block the cluster is at fault: better wait than go on. It also bounds the
# depth of callbacks that call each other while every host is down.
GIVE_UP_ERRORS = 64
_SCHEMA_ATTEMPTS = 5
_SCHEMA_WAIT_SECONDS = 0.2


class DriverWriter:
    """A `Writer` over a session, which stays the caller's unless `owns_session`."""

    def __init__(self, session: Session, cql: str, concurrency: int, owns_session: bool = False) -> None:
        self._session, self._concurrency, self._owns_session = session, concurrency, owns_session
        self._statement: PreparedStatement = _prepared(session, cql)

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """Send the statement once for each of `rows`, `concurrency` at a time."""
        return _Window(self._session, self._statement, rows, self._concurrency).run()

    def fetch(self, cql: str) -> list[tuple[Any, ...]]:
        """Run one small query."""
        return [tuple(row) for row in self._session.execute(cql).all()]

    def close(self) -> None:
        """End the session if it is the writer's own."""
        if self._owns_session:
            self._session.cluster.shutdown()


class ReplacingWriter(DriverWriter):
    """A `DriverWriter` whose rows replace a stored one of the same event time whole.

    Args:
        at: the place of the write time, µs, in a row.
        stored: tells for each row when the one that is stored was written; None for none.
    """

    def __init__(self, session: Session, cql: str, concurrency: int, at: int, stored: Stored) -> None:
        super().__init__(session, cql, concurrency)
        self._at, self._stored = at, stored

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        """See `DriverWriter.send`; what is stored is looked up first."""
        at = self._at
        try:
            times = self._stored(rows)
        except PASSING_ERRORS as error:
            return Outcome(rows, error)
        return super().send(
            [
                (*row[:at], later_write_time(row[at], time), *row[at + 1 :])
                for row, time in zip(rows, times, strict=True)
            ]
        )


@retry(
    stop=stop_after_attempt(_SCHEMA_ATTEMPTS),
    wait=wait_fixed(_SCHEMA_WAIT_SECONDS),
    retry=retry_if_exception_message(match=".*Undefined column"),
    reraise=True,
)
def _prepared(session: Session, cql: str) -> PreparedStatement:
    """Prepare, also where somebody else has just added a column: a node lists it before it knows it."""
    return prepare(session, cql)


class _Window:
    """One block of rows on its way."""

    def __init__(
        self, session: Session, statement: PreparedStatement, rows: Sequence[BoundRow], concurrency: int
    ) -> None:
        self._session, self._statement, self._rows = session, statement, rows
        self._lanes = self._concurrency = min(concurrency, len(rows))
        self._most_errors = min(self._concurrency, GIVE_UP_ERRORS)
        self._next: Iterator[int] = iter(range(len(rows)))
        self._lock, self._done = threading.Lock(), threading.Event()
        self._acknowledged = bytearray(len(rows))
        self._errors: list[Exception] = []

    def run(self) -> Outcome:
        """Send everything, wait for every answer."""
        if not self._rows:
            return Outcome(())
        for _ in range(self._concurrency):
            self._advance()
        self._done.wait()
        return outcome(self._rows, self._acknowledged, self._errors, PASSING_ERRORS)

    def _advance(self) -> None:
        """Send this lane's next row, or end the lane."""
        while True:
            with self._lock:
                index = None if self._hopeless() else next(self._next, None)
                if index is None:
                    self._lanes -= 1
                    if self._lanes == 0:
                        self._done.set()
                    return
            try:
                future = self._session.execute_async(
                    self._statement, self._rows[index], execution_profile=WRITE
                )
            except Exception as error:  # Binding failed: the value, not the cluster, is at fault.
                self._errors.append(error)
                continue
            future.add_callbacks(
                self._on_success, self._on_error, callback_args=(index,), errback_args=(index,)
            )
            return

    def _on_success(self, _: object, index: int) -> None:
        self._acknowledged[index] = 1
        self._advance()

    def _on_error(self, error: Exception, _: int) -> None:
        self._errors.append(error)
        self._advance()

    def _hopeless(self) -> bool:
        """Whether a whole window failed, or one row can never be written."""
        errors = self._errors
        most = self._most_errors
        return bool(errors) and (len(errors) >= most or not isinstance(errors[-1], PASSING_ERRORS))
