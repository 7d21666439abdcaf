"""A keyspace for one measurement."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from cassandra.cluster import Session

from poc.database.keyspaces import ensure_keyspace, replication_map

# Dropping waits for a flush.
DROP_SECONDS = 120.0


@contextmanager
def own_keyspace(session: Session) -> Iterator[str]:
    """Make a keyspace with one copy of everything, give its name, and drop it when the block ends."""
    name = f"benchmark_{uuid.uuid4().hex[:12]}"
    datacenter = session.execute("SELECT data_center FROM system.local").one().data_center
    ensure_keyspace(session, name, replication_map(1, datacenter))
    try:
        yield name
    finally:
        session.execute(f"DROP KEYSPACE {name}", timeout=DROP_SECONDS)
