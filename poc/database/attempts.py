"""The record of attempts: one row a materialization that was begun, in a table that every process can read.

Beside `materializations`, which has finished runs only: here are also those that failed, and those of which
nothing was heard again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from cassandra import InvalidRequest
from cassandra.cluster import Session

from poc.database.sessions import idempotent, make_table
from poc.online_store.patience import SPECULATIVE_RETRY

TABLE = "materialization_attempts"
# More failures in a row than these are not counted.
READ_AT_MOST = 50
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to materialize one view into one online store. Times are UTC-aware.

    Attributes:
        online_store: type of the online store in Feast's configuration.
        feature_view: name of the feature view.
        started_at: when it began, in whole milliseconds.
        ended_at: when it ended; None while it runs, and for one that was killed.
        failure: why it failed, in one line; None if it did not.
    """

    online_store: str
    feature_view: str
    started_at: datetime
    ended_at: datetime | None = None
    failure: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.ended_at is not None and self.failure is None


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of the attempts of one view. Times are UTC-aware.

    Attributes:
        recent: the newest first.
        last_succeeded_at: when the last one that succeeded ended; None if none did.
        newest_event: newest event time that the online store held then; None if none did, or it held nothing.
    """

    recent: Sequence[Attempt] = ()
    last_succeeded_at: datetime | None = None
    newest_event: datetime | None = None

    @property
    def running(self) -> Attempt | None:
        """The newest one if it has not ended, as far as is known."""
        return self.recent[0] if self.recent and self.recent[0].ended_at is None else None

    @property
    def failed(self) -> tuple[Attempt, ...]:
        """Those since the last one that succeeded, the newest first, without one that runs.

        One that never ended and was followed by another was killed.
        """
        found: list[Attempt] = []
        for attempt in self.recent:
            if attempt.succeeded:
                break
            if attempt is not self.running:
                found.append(attempt)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """The table `<keyspace>.materialization_attempts`."""

    keyspace: str

    def create(self, session: Session) -> None:
        """Make the table where it is not there."""
        make_table(
            session,
            self.keyspace,
            TABLE,
            "(online_store text, feature_view text, started_at timestamp, ended_at timestamp, failure text,"
            " last_succeeded_at timestamp STATIC, newest_event timestamp STATIC,"
            " PRIMARY KEY ((online_store, feature_view), started_at))"
            f" WITH CLUSTERING ORDER BY (started_at DESC) AND speculative_retry = '{SPECULATIVE_RETRY}'",
        )

    def begin(self, session: Session, online_store: str, view: str) -> Attempt:
        """Record that an attempt begins now."""
        now = datetime.now(timezone.utc)
        begun = Attempt(online_store, view, now.replace(microsecond=now.microsecond // 1000 * 1000))
        self._write(session, begun)
        return begun

    def succeed(self, session: Session, attempt: Attempt, newest_event: datetime | None) -> None:
        """Record that `attempt` has succeeded now, and the newest event of what it covered, UTC."""
        now = datetime.now(timezone.utc)
        known: dict[str, Any] = {"last_succeeded_at": now, "newest_event": newest_event}
        self._write(session, replace(attempt, ended_at=now), known)

    def fail(self, session: Session, attempt: Attempt, failure: str) -> None:
        """Record that `attempt` has failed now, and why."""
        line = " ".join(failure.split())[:MAX_REASON]
        self._write(session, replace(attempt, ended_at=datetime.now(timezone.utc), failure=line))

    def read(self, session: Session, online_store: str, view: str) -> Attempts:
        """Read what is known of the attempts of `view` into `online_store`; nothing without a table."""
        try:
            rows = session.execute(
                idempotent(
                    "SELECT started_at, ended_at, failure, last_succeeded_at, newest_event"
                    f' FROM "{self.keyspace}".{TABLE}'
                    f" WHERE online_store = %s AND feature_view = %s LIMIT {READ_AT_MOST}"
                ),
                (online_store, view),
            ).all()
        except InvalidRequest:
            return Attempts()
        if not rows:
            return Attempts()
        recent = [
            Attempt(online_store, view, _aware(row.started_at), _aware(row.ended_at), row.failure)
            for row in rows
        ]
        return Attempts(recent, _aware(rows[0].last_succeeded_at), _aware(rows[0].newest_event))

    def _write(self, session: Session, attempt: Attempt, more: dict[str, Any] | None = None) -> None:
        values = {
            "online_store": attempt.online_store,
            "feature_view": attempt.feature_view,
            "started_at": attempt.started_at,
            "ended_at": attempt.ended_at,
            "failure": attempt.failure,
        } | (more or {})
        markers = ", ".join("%s" for _ in values)
        insert = f'INSERT INTO "{self.keyspace}".{TABLE} ({", ".join(values)}) VALUES ({markers})'
        session.execute(idempotent(insert), tuple(values.values()))


def _aware(value: datetime | None) -> Any:
    """The driver gives UTC without saying so."""
    return None if value is None else value.replace(tzinfo=timezone.utc)
