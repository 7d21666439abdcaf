"""The ways that features can be read in: source, layout and driver, each over a store of its own."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cassandra.cluster import Session
from feast_server import FeastServer
from stored_features import FEATURE_REPO, Row, apply, write_direct, write_through_feast

from poc.database.direct_table import DirectTable
from poc.definitions import FeatureSet
from poc.online_store.acsylla_writer import acsylla_is_installed
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.feature_server_source import open_feature_server_source
from poc.retrieval.source import FeatureSource, TransactionFeatures
from poc.settings import Settings

BUDGET_SECONDS = 0.6
OPENERS = {
    "feast": open_feast_source,
    "feature-server": open_feature_server_source,
    "direct": open_direct_source,
}


@dataclass(frozen=True)
class Way:
    """One way of reading: which source, over which layout, sent by which driver.

    A feature server is asked from `threads` or from a `loop`.
    """

    source: str
    layout: str
    driver: str

    def __str__(self) -> str:
        return "-".join(dict.fromkeys((self.source, self.layout, self.driver)))

    @property
    def by_server(self) -> bool:
        """Whether a feature server stands between the source and Cassandra."""
        return self.source == "feature-server"


class OnLoop:
    """A source as a server reads it: from an event loop of its own where the source can be."""

    def __init__(self, source: FeatureSource) -> None:
        self._source = source
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        source.use_loop(self._loop)

    def read(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        assert self._source.async_read is not None
        reading = self._source.async_read(list(transaction_ids))
        return asyncio.run_coroutine_threadsafe(reading, self._loop).result(30)

    def close(self) -> None:
        self._source.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


class Backend:
    """A store with its tables, and the way to read it."""

    def __init__(self, way: Way, settings: Settings, definitions: FeatureSet, session: Session) -> None:
        more: dict[str, object] = {} if way.by_server else {"feature_driver": way.driver}
        if way.layout == "rows":
            more["feast_fs_yaml_file_path"] = settings.feast_repo_path / "rows.yaml"
        self.way, self.definitions, self.session = way, definitions, session
        self.settings = settings.model_copy(update=more)
        table = {"rows": "ml_platform_poc__", "stock": "ml_platform_poc_", "direct": ""}[way.layout]
        self.table = f'{settings.direct_keyspace}."{table}{definitions.view}"'

    @property
    def address(self) -> tuple[str, int]:
        """Where the source connects to."""
        assert self.settings.cassandra_hosts is not None
        assert self.settings.cassandra_port is not None
        return self.settings.cassandra_hosts[0], self.settings.cassandra_port

    def through(self, port: int) -> Settings:
        """Settings of a source that connects to `port` instead, on 127.0.0.1."""
        return self.settings.model_copy(update={"cassandra_hosts": ("127.0.0.1",), "cassandra_port": port})

    def prepare(self) -> None:
        if self.way.source == "direct":
            DirectTable(self.settings.direct_keyspace, self.definitions).create(self.session)
        else:
            apply(self.settings)

    def write(self, *rows: Row) -> None:
        if self.way.source == "direct":
            write_direct(self.session, self.settings.direct_keyspace, self.definitions, rows)
        else:
            write_through_feast(self.settings, self.definitions, rows)

    def open(self, settings: Settings | None = None) -> FeatureSource:
        source = OPENERS[self.way.source](self.settings if settings is None else settings)
        return source if self.way.driver in ("cassandra-driver", "threads") else OnLoop(source)

    def restore(self) -> None:
        """Undo what a test did that others share the store with."""


class ServedBackend(Backend):
    """A store with a feature server before it, which takes seconds to start: tests share it."""

    def __init__(
        self, way: Way, settings: Settings, definitions: FeatureSet, session: Session, folder: Path
    ) -> None:
        super().__init__(way, settings, definitions, session)
        self.server = FeastServer(self.settings, folder)
        self.settings = self.settings.model_copy(update={"feature_server_url": self.server.url})

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    def through(self, port: int) -> Settings:
        return self.settings.model_copy(update={"feature_server_url": f"http://127.0.0.1:{port}"})

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
        self.session.execute(f"TRUNCATE {self.table}", timeout=60)
        self._wait_until_served()

    def _wait_until_served(self) -> None:
        self.server.wait_until_served(
            self.settings.feature_service, self.definitions.join_key, self.definitions.names
        )


WAYS = [
    Way(source, layout, driver)
    for driver in ("cassandra-driver", "acsylla")
    for source, layout in (("feast", "stock"), ("feast", "rows"), ("direct", "direct"))
    if driver != "acsylla" or acsylla_is_installed()
]
SERVED_WAYS = [Way("feature-server", "stock", "threads"), Way("feature-server", "rows", "loop")]
WAYS += SERVED_WAYS
Make = Callable[[Way], Backend]
