"""Keyspaces of a test's own, and those that scripts make."""

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import SCHEMA, Session, cassandra_session

# To drop a keyspace, Cassandra writes out every table that has changed: three times the work of making it.
KEPT_UNTIL_CASSANDRA_ENDS = "TEST_CASSANDRA" not in os.environ
# Of the yamls, and of the settings' defaults.
OF_SCRIPTS = ("feast_online_store", "ml_features")


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


def drop_keyspaces(cassandra: ConnectionSettings, names: Iterable[str] = OF_SCRIPTS) -> None:
    """Drop those of `names` that are there."""
    with cassandra_session(cassandra) as session:
        for name in names:
            session.execute(f"DROP KEYSPACE IF EXISTS {name}", execution_profile=SCHEMA)
