import uuid
from collections.abc import Callable, Iterator

import pytest
from reading_ways import BUDGET_SECONDS, Backend, Make, Opened, ServedBackend, Way
from stored_features import serving_settings

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import SCHEMA, cassandra_session
from poc.settings import Settings


@pytest.fixture(scope="session")
def served_backend(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Callable[[Way], ServedBackend]]:
    """Gives the one store with a feature server that there is for a way, as if it were new."""
    with cassandra_session(cassandra) as session:
        made: dict[Way, ServedBackend] = {}

        def give(way: Way) -> ServedBackend:
            if way in made:
                made[way].restore()
                return made[way]
            keyspace, folder = f"test_{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("served")
            session.execute(
                f"CREATE KEYSPACE {keyspace}"
                " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            settings = serving_settings(folder, cassandra, keyspace, feature_timeout_seconds=BUDGET_SECONDS)
            made[way] = ServedBackend(way, settings, definitions, session, folder)
            made[way].start()
            return made[way]

        yield give
        for backend in made.values():
            backend.server.kill()
            session.execute(
                f"DROP KEYSPACE IF EXISTS {backend.settings.direct_keyspace}", execution_profile=SCHEMA
            )


@pytest.fixture(scope="module")
def make_backend(
    tmp_path_factory: pytest.TempPathFactory,
    cassandra: ConnectionSettings,
    definitions: ServedFeatures,
    served_backend: Callable[[Way], ServedBackend],
) -> Iterator[Make]:
    """Makes stores with their tables, each in a keyspace of its own; served ones share what they can."""
    with cassandra_session(cassandra) as session:
        keyspaces: list[str] = []

        def make(way: Way) -> Backend:
            if way.by_server:
                return served_backend(way)
            keyspaces.append(f"test_{uuid.uuid4().hex[:12]}")
            session.execute(
                f"CREATE KEYSPACE {keyspaces[-1]}"
                " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            folder = tmp_path_factory.mktemp("store")
            settings = serving_settings(
                folder, cassandra, keyspaces[-1], feature_timeout_seconds=BUDGET_SECONDS
            )
            backend = Backend(way, settings, definitions, session)
            backend.prepare()
            return backend

        yield make
        for keyspace in keyspaces:
            session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", execution_profile=SCHEMA)


@pytest.fixture
def opened() -> Iterator[Callable[..., Opened]]:
    sources: list[Opened] = []

    def open_source(backend: Backend, settings: Settings | None = None) -> Opened:
        sources.append(backend.open(settings))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()
