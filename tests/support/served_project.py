"""A project with everything that a server needs, in a keyspace of its own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from own_keyspace import own_keyspace
from own_sessions import apply_definitions
from small_model import register
from stored_features import Row, serving_settings, write_direct, write_through_feast

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import cassandra_session
from poc.settings import Settings


@contextmanager
def served_project(
    folder: Path,
    cassandra: ConnectionSettings,
    definitions: ServedFeatures,
    rows: Iterable[Row],
    direct: bool = False,
) -> Iterator[Settings]:
    """Make a project with a model in `folder`; its online store, and with `direct` the table, hold `rows`."""
    with cassandra_session(cassandra) as session, own_keyspace(session) as keyspace:
        settings = serving_settings(folder, cassandra, keyspace)
        apply_definitions(settings)
        write_through_feast(settings, definitions, rows)
        if direct:
            write_direct(session, settings, definitions, rows)
        register(settings, definitions)
        yield settings
