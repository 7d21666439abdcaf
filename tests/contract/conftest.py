from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from own_keyspace import own_keyspace
from reading_ways import PATIENT_SECONDS, Backend, Make, Opened, ServedBackend, Way
from stored_features import serving_settings

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import cassandra_session
from poc.settings import Settings


# Before the first module, so that what it opens outlives that.
@pytest.fixture(scope="session", autouse=True)
def served_backend(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Callable[[Way], ServedBackend]]:
    """Gives the one store with a feature server that there is for a way, as if it were new."""
    with cassandra_session(cassandra) as session, ExitStack() as opened:
        made: dict[Way, ServedBackend] = {}

        def give(way: Way) -> ServedBackend:
            if way in made:
                made[way].restore()
                return made[way]
            keyspace, folder = opened.enter_context(own_keyspace(session)), tmp_path_factory.mktemp("served")
            settings = serving_settings(folder, cassandra, keyspace, feature_timeout_seconds=PATIENT_SECONDS)
            made[way] = ServedBackend(way, settings, definitions, session, folder)
            made[way].start()
            return made[way]

        yield give
        for backend in made.values():
            backend.server.kill()


@pytest.fixture(scope="module")
def make_backend(
    tmp_path_factory: pytest.TempPathFactory,
    cassandra: ConnectionSettings,
    definitions: ServedFeatures,
    served_backend: Callable[[Way], ServedBackend],
) -> Iterator[Make]:
    """Makes stores with their tables, each in a keyspace of its own; served ones share what they can."""
    with cassandra_session(cassandra) as session, ExitStack() as opened:

        def make(way: Way) -> Backend:
            if way.by_server:
                return served_backend(way)
            keyspace, folder = opened.enter_context(own_keyspace(session)), tmp_path_factory.mktemp("store")
            settings = serving_settings(folder, cassandra, keyspace, feature_timeout_seconds=PATIENT_SECONDS)
            backend = Backend(way, settings, definitions, session)
            backend.prepare()
            return backend

        yield make


@pytest.fixture
def opened() -> Iterator[Callable[..., Opened]]:
    sources: list[Opened] = []

    def open_source(backend: Backend, settings: Settings | None = None) -> Opened:
        sources.append(backend.open(settings))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()
