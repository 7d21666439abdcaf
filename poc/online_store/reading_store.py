"""What the two stores share: sessions, readers and writers that they have made, reads as Feast asks for them.

A reader is made for each selection of features, and is given again while the view stays what it is.
"""

import logging
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from cassandra.cluster import Session
from feast import FeatureView, RepoConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store import forks
from poc.online_store.acknowledged_writes import ReplacingWriter
from poc.online_store.acsylla_reads import AcsyllaReads, acsylla_reads
from poc.online_store.bound_rows import BoundRow
from poc.online_store.connection import ConnectionSettings, Driver, connection_settings
from poc.online_store.errors import FeaturesOutdated, OnlineTableMissing
from poc.online_store.keyed_reads import KEYS_PER_STATEMENT, CqlOfKeys, KeyedReads, Row
from poc.online_store.keys import join_keys
from poc.online_store.layout import key_columns
from poc.online_store.session import open_session
from poc.online_store.view_reader import FeatureRow, JoinKeys, ViewReader, feature_rows

log = logging.getLogger(__name__)

# A bound for callers that ask for ever new selections of features.
MOST_READERS = 1000
# How soon a reader follows what other processes make of its table.
FOLLOW_SECONDS = 1.0

# Project, view and features of a reader.
_Name: TypeAlias = tuple[str, str, tuple[str, ...] | None]
Reader = TypeVar("Reader", bound=ViewReader)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Reader]):
    """A reader, and what it was made for."""

    config: RepoConfig
    view: FeatureView
    reader: Reader


class ReadingStore(Generic[Reader]):
    """Half of an online store, before Feast's class among the bases. Safe to use from many threads."""

    def __init__(self) -> None:
        # What reads for event loops.
        self.driver: Driver = "auto"
        self._of_parents: list[Any] = []
        self._begin()
        forks.TOLD.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._acsylla: AcsyllaReads | None = None
        self._readers: dict[_Name, _Kept[Reader]] = {}
        self._writers: dict[str, ReplacingWriter] = {}
        self._following: threading.Event | None = None

    def begin_anew(self) -> None:
        """See `BeginsAnew`."""
        # Ended here, or left to be collected, the sessions would wait for their threads.
        self._of_parents.append((self._session, self._acsylla))
        self._begin()

    @property
    def is_connected(self) -> bool:
        """Whether a read need not connect first."""
        return self._session is not None

    def session(self, config: RepoConfig) -> Session:
        """Return the store's session, opened when first asked for; raises what `open_session` raises."""
        if self._session is None:
            with self._lock:
                if self._session is None:
                    settings = connection_settings(config)
                    self._acsylla = acsylla_reads(settings, self.driver)
                    self._session = self._opened(settings)
                    self._following = gone = threading.Event()
                    weakref.finalize(self, gone.set)
                    args = (weakref.ref(self), gone, self._session)
                    threading.Thread(target=_follow, args=args, name="readers", daemon=True).start()
        return self._session

    def close(self) -> None:
        """End the sessions; the next call opens others."""
        with self._lock:
            session, acsylla, following = self._session, self._acsylla, self._following
            self._session = self._acsylla = self._following = None
            self.forget()
        if following is not None:
            following.set()
        if acsylla is not None:
            acsylla.close()
        if session is not None:
            session.cluster.shutdown()

    def forget(self) -> None:
        """Prepare everything anew when next asked: the tables are others than they were."""
        self._readers.clear()
        self._writers.clear()

    def reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> Reader:
        """Return the reader of some features of `view` (of all for None), prepared when first asked for."""
        wanted = None if features is None else tuple(features)
        name = (config.project, view.name, wanted)
        known = self._readers.get(name)
        if known is not None and known.view is view:
            return known.reader
        if known is not None and _columns(known.view) == _columns(view):
            # The same view of another reading of the registry, which will be asked for again.
            with self._lock:
                if self._readers.get(name) is known:
                    self._readers[name] = replace(known, view=view)
            return known.reader
        if len(self._readers) >= MOST_READERS:
            self._readers.clear()
        reader = self._new_reader(config, view, wanted)
        self._readers[name] = _Kept(config, view, reader)
        return reader

    def follow(self) -> None:
        """Put a new reader in the place of each whose table is no longer what it was made for. Blocks.

        A view that is gone, or that waits with another key, keeps no other from being followed.
        """
        for name, kept in list(self._readers.items()):
            if not self._is_outdated(kept.config, kept.view, kept.reader):
                continue
            try:
                reader = self._new_reader(kept.config, kept.view, name[-1])
            except FeaturesOutdated:
                continue
            except OnlineTableMissing:
                self._readers.pop(name, None)  # The next read says so.
                continue
            with self._lock:
                now = self._readers.get(name)
                if now is not None and now.reader is kept.reader:
                    self._readers[name] = replace(now, reader=reader)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Read as Feast asks: event time (UTC-aware) and values by name, or (None, None) for an absent row.

        A null is a Value without content; a feature that the view does not have is left out, and so is one
        that was never written. No answer is the driver's error, and never an absent row.
        """
        reader, keys = self.reader(config, table, requested_features), self._keys(config, table, entity_keys)
        return feature_rows(reader, keys, reader.read([key for key in keys if key is not None]))

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Do what `online_read` does, without blocking the event loop once the statement is prepared."""
        reader, keys = self.reader(config, table, requested_features), self._keys(config, table, entity_keys)
        return feature_rows(reader, keys, await reader.read_async([key for key in keys if key is not None]))

    def _keys(
        self, config: RepoConfig, view: FeatureView, entity_keys: Sequence[EntityKey]
    ) -> list[JoinKeys | None]:
        return list(map(join_keys(key_columns(view)), entity_keys))

    def _new_reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> Reader:
        raise NotImplementedError

    def _new_writer(
        self, config: RepoConfig, cql: str, at: int, keys: slice, times: CqlOfKeys, of: Sequence[str] | None
    ) -> ReplacingWriter:
        """Make the writer of `cql`, and keep it. In a row the write time is at `at`, its keys are at `keys`.

        Args:
            times: CQL that selects last when a row was written, in µs: of one key, and of several.
            of: features whose times count, by the name that comes first of what is selected; None for all.
        """
        session, settings = self.session(config), connection_settings(config)
        together = getattr(config.online_store, "read_keys_per_statement", KEYS_PER_STATEMENT)
        reads = KeyedReads(session, times, settings.read_concurrency, together)

        def written(found: Sequence[Row]) -> int | None:
            return max((row[-1] for row in found if of is None or row[0] in of), default=None)

        def stored(rows: Sequence[BoundRow]) -> list[int | None]:
            found = reads.rows([row[keys] for row in rows])
            return [written(found.get(row[keys], ())) for row in rows]

        writer = self._writers[cql] = ReplacingWriter(session, cql, settings.write_concurrency, at, stored)
        return writer

    def _opened(self, settings: ConnectionSettings) -> Session:
        return open_session(settings)

    def _is_outdated(self, config: RepoConfig, view: FeatureView, reader: Reader) -> bool:
        """Tell whether another reader would be made now. Blocks."""
        return False


def _follow(store: "weakref.ref[ReadingStore[Any]]", gone: threading.Event, session: Session) -> None:
    """Keep the readers of `store` up to date, and end its session when nobody has the store any more.

    Where it is collected is no place for that: it may be a thread that the session waits for.
    """
    while not gone.wait(FOLLOW_SECONDS):
        found = store()
        try:
            if found is not None:
                found.follow()
        except Exception as error:  # Whatever it is, the next read says it.
            log.info("The readers stay as they were: %s", error)
        del found
    if store() is None:
        session.cluster.shutdown()


def _columns(view: FeatureView) -> list[tuple[str, Any]]:
    """List what the columns of `view` follow from; a reading of the registry makes new objects each time."""
    return [(field.name, field.dtype) for field in (*view.entity_columns, *view.features)]
