"""The ways that features can be read in: source, layout and driver, each over a store of its own."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cassandra.cluster import Session
from stored_features import Row, apply, write_direct, write_through_feast

from poc.database.direct_table import DirectTable
from poc.definitions import FeatureSet
from poc.online_store.acsylla_writer import acsylla_is_installed
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.source import FeatureSource, TransactionFeatures
from poc.settings import Settings

BUDGET_SECONDS = 0.6


@dataclass(frozen=True)
class Way:
    """One way of reading: which source, over which layout, sent by which driver."""

    source: str
    layout: str
    driver: str

    def __str__(self) -> str:
        return "-".join(dict.fromkeys((self.source, self.layout, self.driver)))


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
        more: dict[str, object] = {"feature_driver": way.driver}
        if way.layout == "rows":
            more["feast_fs_yaml_file_path"] = settings.feast_repo_path / "rows.yaml"
        self.way, self.definitions, self.session = way, definitions, session
        self.settings = settings.model_copy(update=more)
        table = {"rows": "ml_platform_poc__", "stock": "ml_platform_poc_", "direct": ""}[way.layout]
        self.table = f'{settings.direct_keyspace}."{table}{definitions.view}"'

    def prepare(self) -> None:
        if self.way.source == "feast":
            apply(self.settings)
        else:
            DirectTable(self.settings.direct_keyspace, self.definitions).create(self.session)

    def write(self, *rows: Row) -> None:
        if self.way.source == "feast":
            write_through_feast(self.settings, self.definitions, rows)
        else:
            write_direct(self.session, self.settings.direct_keyspace, self.definitions, rows)

    def open(self, settings: Settings | None = None) -> FeatureSource:
        opens = open_feast_source if self.way.source == "feast" else open_direct_source
        source = opens(self.settings if settings is None else settings)
        return source if self.way.driver == "cassandra-driver" else OnLoop(source)


WAYS = [
    Way(source, layout, driver)
    for driver in ("cassandra-driver", "acsylla")
    for source, layout in (("feast", "stock"), ("feast", "rows"), ("direct", "direct"))
    if driver != "acsylla" or acsylla_is_installed()
]
Make = Callable[[Way], Backend]
