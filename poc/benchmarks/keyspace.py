"""A keyspace for one measurement."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from poc.online_store.connection import ConnectionSettings
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA, Session

# Dropping waits for a flush.
DROP_SECONDS = 120.0


@contextmanager
def own_keyspace(session: Session, connection: ConnectionSettings) -> Iterator[str]:
    """Make a keyspace with one copy of everything, give its name, and drop it when the block ends."""
    name = f"benchmark_{uuid.uuid4().hex[:12]}"
    ensure_keyspace(session, replace(connection, replication=None, replication_factor=None), name)
    try:
        yield name
    finally:
        session.execute(f"DROP KEYSPACE {name}", timeout=DROP_SECONDS, execution_profile=SCHEMA)
