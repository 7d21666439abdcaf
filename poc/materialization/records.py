"""The records of materialization: finished runs and attempts, in tables that every process can read.

Each project has its own, in the keyspace of the direct table. Runs say what a store holds; attempts say also
what failed, and of what nothing was heard again.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from typing import Any, ClassVar, TypeAlias

from poc.online_store.naming import project_name, quoted
from poc.online_store.schema import has_table, make_table, stored_columns
from poc.online_store.session import SCHEMA, SPECULATIVE_RETRY, Session, idempotent

RUNS = "materializations"
ATTEMPTS = "materialization_attempts"
# More failures in a row than these are not counted.
READ_AT_MOST = 50
MAX_REASON = 500
# By how much the clocks of two hosts may differ.
CLOCKS_APART = timedelta(minutes=1)
_OF_VIEW = "WHERE online_store = %s AND feature_view = %s"
# The online store's type, and the name of the view.
Whose: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Record:
    """A table of a project in `keyspace`, with many rows for each view and online store, the newest first."""

    keyspace: str
    project: str
    name: ClassVar[str]
    columns: ClassVar[str]
    # What says of a row when it was.
    dated: ClassVar[str]

    def create(self, session: Session) -> None:
        """Make the table where it is not there."""
        key = f"PRIMARY KEY ((online_store, feature_view), {self.dated})"
        options = f"CLUSTERING ORDER BY ({self.dated} DESC) AND speculative_retry = '{SPECULATIVE_RETRY}'"
        definition = f"(online_store text, feature_view text, {self.columns}, {key}) WITH {options}"
        make_table(session, self.keyspace, self._table, definition)

    @property
    def _table(self) -> str:
        return project_name(self.project, self.name)

    @property
    def _qualified(self) -> str:
        return f"{quoted(self.keyspace)}.{quoted(self._table)}"

    def _newest(self, session: Session, columns: Iterable[str], count: int, whose: Whose) -> list[list[Any]]:
        if not has_table(session, self.keyspace, self._table):
            return []
        select = f"SELECT {', '.join(columns)} FROM {self._qualified} {_OF_VIEW} LIMIT {count}"
        return [list(map(_aware, row)) for row in session.execute(idempotent(select), whose)]

    def _insert(self, session: Session, values: Mapping[str, Any], after_us: int = 0) -> None:
        """Write a row, later than what was written at `after_us`, microseconds since 1970."""
        markers = ", ".join("%s" for _ in values)
        into = f"{self._qualified} ({', '.join(values)}) VALUES ({markers})"
        insert = f"INSERT INTO {into} USING TIMESTAMP {max(time.time_ns() // 1000, after_us + 1)}"
        session.execute(idempotent(insert), tuple(values.values()))

    def _forget_later(self, session: Session, whose: Whose, moment: datetime) -> None:
        """Remove the rows that a host whose clock is ahead dated after `moment`, which is now."""
        select = idempotent(f"SELECT {self.dated} FROM {self._qualified} {_OF_VIEW} AND {self.dated} > %s")
        for (ahead,) in session.execute(select, (*whose, moment + CLOCKS_APART)):
            # Later than all that its run can have written, by that clock.
            at_us = int((_aware(ahead) + timedelta(days=1)).timestamp() * 1e6)
            delete = f"DELETE FROM {self._qualified} USING TIMESTAMP {at_us} {_OF_VIEW} AND {self.dated} = %s"
            session.execute(idempotent(delete), (*whose, ahead))


@dataclass(frozen=True, slots=True)
class MaterializationRun:
    """One finished materialization of one view into one online store. Times are UTC-aware.

    Attributes:
        finished_at: when the last write was acknowledged and checked.
        covered_from, covered_until: the interval that the online store then held, without its end.
        content: fingerprint of the offline rows in that interval.
        transactions: entities written by this run.
        duration_seconds: time that writing the online store took.
        written_us: the write time of the direct table's rows, microseconds since 1970.
    """

    online_store: str
    feature_view: str
    finished_at: datetime
    started_at: datetime
    covered_from: datetime
    covered_until: datetime
    content: str
    transactions: int
    duration_seconds: float
    written_us: int

    @property
    def reached(self) -> datetime:
        """The end of what it can have covered, exclusive: rows of the future may yet come and go."""
        return min(self.covered_until, self.finished_at)


class MaterializationRecord(_Record):
    """The finished runs of a project."""

    name, dated = RUNS, "finished_at"
    columns = (
        "finished_at timestamp, started_at timestamp, covered_from timestamp, covered_until timestamp,"
        " content text, transactions bigint, duration_seconds double, written_us bigint"
    )

    def create(self, session: Session) -> None:
        """Make the table where it is not there; one of an earlier version gets the column that it lacks."""
        super().create(session)
        if "written_us" not in stored_columns(session, self.keyspace, self._table):
            alter = f"ALTER TABLE {self._qualified} ADD written_us bigint"
            session.execute(alter, execution_profile=SCHEMA)

    def next_write_time(self, session: Session, view: str) -> int:
        """Return a write time, µs since 1970, that beats every run before, whatever its clock said."""
        written = [run.written_us or 0 for run in self.last_of_each_store(session, view).values()]
        return max([time.time_ns() // 1000, *(earlier + 1 for earlier in written)])

    def add(self, session: Session, run: MaterializationRun) -> None:
        """Record `run` as the newest one, whatever the clocks said of those before."""
        self._insert(session, asdict(run))
        self._forget_later(session, (run.online_store, run.feature_view), run.finished_at)

    def last(self, session: Session, online_store: str, view: str) -> MaterializationRun | None:
        """Read the newest run of `view` into `online_store`; None if there was none, or no table yet."""
        names = [item.name for item in fields(MaterializationRun)]
        rows = self._newest(session, names, 1, (online_store, view))
        return MaterializationRun(*rows[0]) if rows else None

    def last_of_each_store(self, session: Session, view: str) -> dict[str, MaterializationRun]:
        """Read the newest run of `view` into each online store, by the store's type."""
        if not has_table(session, self.keyspace, self._table):
            return {}
        select = idempotent(f"SELECT DISTINCT online_store, feature_view FROM {self._qualified}")
        stores = [row.online_store for row in session.execute(select) if row.feature_view == view]
        found = {store: self.last(session, store, view) for store in stores}
        return {store: run for store, run in found.items() if run is not None}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to materialize one view into one online store. Times are UTC-aware.

    Attributes:
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
        since = takewhile(lambda attempt: not attempt.succeeded, self.recent)
        return tuple(attempt for attempt in since if attempt is not self.running)


class AttemptRecord(_Record):
    """The attempts of a project."""

    name, dated = ATTEMPTS, "started_at"
    columns = (
        "started_at timestamp, ended_at timestamp, failure text,"
        " last_succeeded_at timestamp STATIC, newest_event timestamp STATIC"
    )

    def begin(self, session: Session, online_store: str, view: str) -> Attempt:
        """Record that an attempt begins now."""
        now = datetime.now(timezone.utc)
        begun = Attempt(online_store, view, now.replace(microsecond=now.microsecond // 1000 * 1000))
        self._insert(session, asdict(begun))
        self._forget_later(session, (online_store, view), begun.started_at)
        return begun

    def succeed(self, session: Session, attempt: Attempt, newest_event: datetime | None) -> None:
        """Record that `attempt` has succeeded now, and the newest event of what it covered, UTC."""
        now = datetime.now(timezone.utc)
        known = {"last_succeeded_at": now, "newest_event": newest_event}
        whose = (attempt.online_store, attempt.feature_view)
        before = self._newest(session, ["WRITETIME(last_succeeded_at)"], 1, whose)
        after_us = (before[0][0] or 0) if before else 0
        self._insert(session, asdict(replace(attempt, ended_at=now)) | known, after_us)

    def fail(self, session: Session, attempt: Attempt, failure: str) -> None:
        """Record that `attempt` has failed now, and why."""
        line = " ".join(failure.split())[:MAX_REASON]
        self._insert(session, asdict(replace(attempt, ended_at=datetime.now(timezone.utc), failure=line)))

    def read(self, session: Session, online_store: str, view: str) -> Attempts:
        """Read what is known of the attempts of `view` into `online_store`; nothing without a table."""
        names = ("started_at", "ended_at", "failure", "last_succeeded_at", "newest_event")
        whose = (online_store, view)
        rows = self._newest(session, names, READ_AT_MOST, whose)
        return Attempts([Attempt(*whose, *row[:3]) for row in rows], *rows[0][3:]) if rows else Attempts()


def _aware(value: Any) -> Any:
    """The driver gives UTC without saying so."""
    return value.replace(tzinfo=timezone.utc) if isinstance(value, datetime) else value
