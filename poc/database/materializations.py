"""The record of materializations: one row a finished run, in a table that every process can read."""

from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any

from cassandra import InvalidRequest
from cassandra.cluster import Session

from poc.database.sessions import idempotent, make_table
from poc.online_store.patience import SPECULATIVE_RETRY

TABLE = "materializations"
REVISIONS = "materialization_revisions"

_COLUMNS = {
    "online_store": "text",
    "feature_view": "text",
    "finished_at": "timestamp",
    "started_at": "timestamp",
    "covered_from": "timestamp",
    "covered_until": "timestamp",
    "content": "text",
    "transactions": "bigint",
    "duration_seconds": "double",
    "revision": "int",
}


@dataclass(frozen=True, slots=True)
class MaterializationRun:
    """One finished materialization of one view into one online store. Times are UTC-aware.

    Attributes:
        online_store: type of the online store in Feast's configuration.
        feature_view: name of the feature view.
        finished_at: when the last write was acknowledged and checked.
        started_at: when it began.
        covered_from: begin of the interval that the online store then held, inclusive.
        covered_until: its end, exclusive.
        content: fingerprint of the offline rows in that interval.
        transactions: entities written by this run.
        duration_seconds: time that writing the online store took.
        revision: of the values in that interval, counted up by every run that writes them anew.
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
    revision: int


@dataclass(frozen=True, slots=True)
class MaterializationRecord:
    """The tables `<keyspace>.materializations` and `.materialization_revisions`."""

    keyspace: str

    def create(self, session: Session) -> None:
        """Make the tables where they are not there."""
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        make_table(
            session,
            self.keyspace,
            TABLE,
            f"({columns}, PRIMARY KEY ((online_store, feature_view), finished_at))"
            f" WITH CLUSTERING ORDER BY (finished_at DESC) AND speculative_retry = '{SPECULATIVE_RETRY}'",
        )
        make_table(
            session,
            self.keyspace,
            REVISIONS,
            "(online_store text, feature_view text, revision int,"
            " PRIMARY KEY ((online_store, feature_view)))"
            f" WITH speculative_retry = '{SPECULATIVE_RETRY}'",
        )

    def claim_revision(self, session: Session, online_store: str, view: str) -> int:
        """Give the number of a run that writes an interval anew: one more than any before, failed or not.

        The caller holds the materialization lock.
        """
        where = "WHERE online_store = %s AND feature_view = %s"
        key = (online_store, view)
        read = idempotent(f'SELECT revision FROM "{self.keyspace}".{REVISIONS} {where}')
        row = session.execute(read, key).one()
        revision = 0 if row is None else int(row.revision) + 1
        write = idempotent(f'UPDATE "{self.keyspace}".{REVISIONS} SET revision = %s {where}')
        session.execute(write, (revision, *key))
        return revision

    def add(self, session: Session, run: MaterializationRun) -> None:
        """Record `run`."""
        names = [field.name for field in fields(MaterializationRun)]
        insert = session.prepare(
            f'INSERT INTO "{self.keyspace}".{TABLE} ({", ".join(names)})'
            f" VALUES ({', '.join('?' for _ in names)})"
        )
        insert.is_idempotent = True
        session.execute(insert, [getattr(run, name) for name in names])

    def last(self, session: Session, online_store: str, view: str) -> MaterializationRun | None:
        """Read the newest run of `view` into `online_store`; None if there was none, or no table yet."""
        names = [field.name for field in fields(MaterializationRun)]
        try:
            row = session.execute(
                idempotent(
                    f'SELECT {", ".join(names)} FROM "{self.keyspace}".{TABLE}'
                    " WHERE online_store = %s AND feature_view = %s LIMIT 1"
                ),
                (online_store, view),
            ).one()
        except InvalidRequest:
            return None
        if row is None:
            return None
        return MaterializationRun(*(_aware(value) for value in row))


def _aware(value: Any) -> Any:
    """The driver gives UTC without saying so."""
    return value.replace(tzinfo=timezone.utc) if isinstance(value, datetime) else value
