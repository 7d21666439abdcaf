"""A keyspace of a test's own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from poc.online_store.session import SCHEMA, Session


@contextmanager
def own_keyspace(session: Session, prefix: str = "test") -> Iterator[str]:
    """Make a keyspace of one copy, and drop it afterwards."""
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
        execution_profile=SCHEMA,
    )
    try:
        yield name
    finally:
        session.execute(f"DROP KEYSPACE IF EXISTS {name}", execution_profile=SCHEMA)
