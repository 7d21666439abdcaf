"""The ways that features can be read in: source, layout and driver, each over a store of its own."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

from feast_server import FeastServer
from own_sessions import apply_definitions
from stored_features import (
    FEATURE_REPO,
    Row,
    prepare_direct,
    write_direct,
    write_through_feast,
)

from poc.definitions import ServedFeatures
from poc.online_store.acsylla_reads import acsylla_is_installed
from poc.online_store.session import SCHEMA, Session
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.feature_server_source import open_feature_server_source
from poc.retrieval.source import EntityFeatures, FeatureSource
from poc.settings import Settings

# What a read may take: as long as a busy machine needs, or, where that is what a test is about, little.
PATIENT_SECONDS, BUDGET_SECONDS = 20.0, 0.6
OPENERS = {
    "feast": open_feast_source,
    "feature-server": open_feature_server_source,
    "direct": open_direct_source,
}


@dataclass(frozen=True)
class Way:
    """One way of reading: which source, over which layout, sent by which driver."""

    source: str
    layout: str
    driver: str

    def __str__(self) -> str:
        return "-".join(dict.fromkeys((self.source, self.layout, self.driver)))

    @property
    def by_server(self) -> bool:
        """Whether a feature server stands between the source and Cassandra."""
        return self.source == "feature-server"


class Opened:
    """A source as a server reads it, from an event loop; of entities with one join key."""

    def __init__(self, source: FeatureSource) -> None:
        self._source = source
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def read(self, ids: Sequence[str]) -> list[EntityFeatures | None]:
        return self._wait_for(self._source.read([(item,) for item in ids]))

    def check(self) -> None:
        return self._wait_for(self._source.check())

    def close(self) -> None:
        self._source.close()

    def _wait_for(self, work: Coroutine) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


class Backend:
    """A store with its tables, and the way to read it."""

    def __init__(self, way: Way, settings: Settings, definitions: ServedFeatures, session: Session) -> None:
        more: dict[str, object] = {} if way.by_server else {"feature_driver": way.driver}
        if way.layout == "rows":
            more["feast_fs_yaml_file_path"] = settings.feast_repo_path / "rows.yaml"
        self.way, self.definitions, self.session = way, definitions, session
        [self.view] = definitions.feature_sets
        self.settings = settings.model_copy(update=more)
        table = {"rows": "ml_platform_poc__", "stock": "ml_platform_poc_", "direct": ""}[way.layout]
        self.table = f'{settings.direct_keyspace}."{table}{self.view.view}"'

    @property
    def address(self) -> tuple[str, int]:
        """Where the source connects to."""
        assert self.settings.cassandra_hosts is not None
        assert self.settings.cassandra_port is not None
        return self.settings.cassandra_hosts[0], self.settings.cassandra_port

    def through(self, port: int) -> Settings:
        """Settings of a source with little time that connects to `port` instead, on 127.0.0.1."""
        there = {"cassandra_hosts": ("127.0.0.1",), "cassandra_port": port}
        return self.settings.model_copy(update={**there, "feature_timeout_seconds": BUDGET_SECONDS})

    def prepare(self) -> None:
        apply_definitions(self.settings)
        if self.way.layout == "direct":
            prepare_direct(self.session, self.settings, self.definitions)

    def write(self, *rows: Row) -> None:
        if self.way.layout == "direct":
            write_direct(self.session, self.settings, self.definitions, rows)
        else:
            write_through_feast(self.settings, self.definitions, rows)

    def open(self, settings: Settings | None = None) -> Opened:
        return Opened(OPENERS[self.way.source](self.settings if settings is None else settings))

    def restore(self) -> None:
        """Undo what a test did that others share the store with."""


class ServedBackend(Backend):
    """A store with a feature server before it, which takes seconds to start: tests share it."""

    def __init__(
        self, way: Way, settings: Settings, definitions: ServedFeatures, session: Session, folder: Path
    ) -> None:
        super().__init__(way, settings, definitions, session)
        self.server = FeastServer(self.settings, folder)
        self.settings = self.settings.model_copy(update={"feature_server_url": self.server.url})

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    def through(self, port: int) -> Settings:
        there = {"feature_server_url": f"http://127.0.0.1:{port}"}
        return self.settings.model_copy(update={**there, "feature_timeout_seconds": BUDGET_SECONDS})

    def start(self) -> None:
        """Apply the definitions, and start the server."""
        self.prepare()
        self.server.start()
        self._wait_until_served()

    def restore(self) -> None:
        shutil.copy(FEATURE_REPO / "features.py", self.settings.feast_repo_path)
        self.session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {self.settings.direct_keyspace}"
            " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        self.prepare()
        self.session.execute(f"TRUNCATE {self.table}", execution_profile=SCHEMA)
        self._wait_until_served()

    def _wait_until_served(self) -> None:
        [key] = self.definitions.key_names
        self.server.wait_until_served(self.settings.feature_service, key, self.definitions.names)


WAYS = [
    Way(source, layout, driver)
    for driver in ("cassandra-driver", "acsylla")
    for source, layout in (("feast", "stock"), ("feast", "rows"), ("direct", "direct"))
    if driver != "acsylla" or acsylla_is_installed()
]
SERVED_WAYS = [Way("feature-server", "stock", "http"), Way("feature-server", "rows", "http")]
WAYS += SERVED_WAYS
Make = Callable[[Way], Backend]
