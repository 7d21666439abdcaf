"""Rows of the drill's own: each is numbered, and counts as kept only once Cassandra has acknowledged it."""

import itertools
import threading

from cassandra.cluster import Session

from poc.database.keyspaces import ensure_keyspace, replication_map
from poc.database.sessions import LOCAL_DATACENTER, idempotent, make_table

KEYSPACE = "fault_drill"
TABLE = "writes"
COPIES = 3
PAGE = 500
PATIENCE_SECONDS = 60.0


class Scratch:
    """A table of numbered rows in a keyspace of its own, written at the consistency of `session`.

    Args:
        session: stays the caller's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._acknowledged: list[int] = []
        self.drop()
        ensure_keyspace(session, KEYSPACE, replication_map(COPIES, LOCAL_DATACENTER))
        make_table(session, KEYSPACE, TABLE, "(number bigint PRIMARY KEY, written_at timestamp)")
        self._insert = session.prepare(
            f"INSERT INTO {KEYSPACE}.{TABLE} (number, written_at) VALUES (?, toTimestamp(now()))"
        )
        self._insert.is_idempotent = True

    @property
    def acknowledged(self) -> tuple[int, ...]:
        """The numbers of the rows that Cassandra has confirmed."""
        return tuple(self._acknowledged)

    def write(self) -> None:
        """Write the next row.

        Raises:
            the driver's errors: it was not acknowledged, and may or may not be there.
        """
        with self._lock:
            number = next(self._numbers)
        self._session.execute(self._insert, (number,))
        self._acknowledged.append(number)

    def lost(self) -> tuple[int, ...]:
        """Name the acknowledged rows that cannot be read."""
        wanted = self.acknowledged
        there: set[int] = set()
        for start in range(0, len(wanted), PAGE):
            numbers = ", ".join(str(number) for number in wanted[start : start + PAGE])
            read = idempotent(f"SELECT number FROM {KEYSPACE}.{TABLE} WHERE number IN ({numbers})")
            there.update(row.number for row in self._session.execute(read, timeout=PATIENCE_SECONDS))
        return tuple(number for number in wanted if number not in there)

    def drop(self) -> None:
        """Remove all of it."""
        self._session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=PATIENCE_SECONDS)
