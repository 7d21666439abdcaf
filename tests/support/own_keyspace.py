"""A keyspace of a test's own."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from poc.online_store.session import SCHEMA, Session

# To drop a keyspace, Cassandra writes out every table that has changed: three times the work of making it.
KEPT_UNTIL_CASSANDRA_ENDS = "TEST_CASSANDRA" not in os.environ


@contextmanager
def own_keyspace(session: Session, prefix: str = "test") -> Iterator[str]:
    """Make a keyspace of one copy; in a Cassandra that outlives the tests it is dropped afterwards."""
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
        execution_profile=SCHEMA,
    )
    try:
        yield name
    finally:
        if not KEPT_UNTIL_CASSANDRA_ENDS:
            session.execute(f"DROP KEYSPACE IF EXISTS {name}", execution_profile=SCHEMA)
