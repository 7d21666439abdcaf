"""What the two stores share: their sessions, the readers that they have made, reads as Feast asks for them.

A reader is made for each selection of features, and is given again while the view stays what it is.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from cassandra.cluster import Session
from feast import FeatureView, RepoConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store.acsylla_reads import AcsyllaReads, acsylla_reads
from poc.online_store.connection import ConnectionSettings, Driver, connection_settings
from poc.online_store.keys import join_keys
from poc.online_store.layout import key_columns
from poc.online_store.session import open_session
from poc.online_store.types import Value
from poc.online_store.view_reader import Found, JoinKeys, ViewReader, event_time

log = logging.getLogger(__name__)

# A bound for callers that ask for ever new selections of features.
MOST_READERS = 1000
# A feature without a column gets one when it is first written, by whichever process.
LACKING_SECONDS = 1.0

FeatureRow = tuple[datetime | None, dict[str, Value] | None]
_ABSENT: FeatureRow = (None, None)
# Project, view and features of a reader.
_Name: TypeAlias = tuple[str, str, tuple[str, ...] | None]
Reader = TypeVar("Reader", bound=ViewReader)


class ReadingStore(Generic[Reader]):
    """Half of an online store; it comes before Feast's class among the bases. Safe to use from many threads.

    Attributes:
        driver: what reads for event loops.
    """

    def __init__(self) -> None:
        self.driver: Driver = "auto"
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._acsylla: AcsyllaReads | None = None
        self._readers: dict[_Name, tuple[FeatureView, Reader, float]] = {}

    @property
    def is_connected(self) -> bool:
        """Whether a read need not connect first."""
        return self._session is not None

    def session(self, config: RepoConfig) -> Session:
        """Return the store's session, opened when first asked for.

        Raises:
            CassandraUnavailable: no node accepts a connection.
        """
        if self._session is None:
            with self._lock:
                if self._session is None:
                    settings = connection_settings(config)
                    self._acsylla = acsylla_reads(settings, self.driver)
                    self._session = self._opened(settings)
        return self._session

    def close(self) -> None:
        """End the sessions; the next call opens others."""
        with self._lock:
            session, self._session = self._session, None
            acsylla, self._acsylla = self._acsylla, None
            self.forget()
        if acsylla is not None:
            acsylla.close()
        if session is not None:
            session.cluster.shutdown()

    def forget(self) -> None:
        """Prepare everything anew when next asked: the tables are others than they were."""
        self._readers.clear()

    def reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> Reader:
        """Return the reader of some features of `view` (of all for None), prepared when first asked for."""
        wanted = None if features is None else tuple(features)
        name = (config.project, view.name, wanted)
        known = self._readers.get(name)
        if known is not None:
            made_for, reader, made_at = known
            if made_for is view or _columns(made_for) == _columns(view):
                if getattr(reader, "lacking", ()) and time.monotonic() - made_at > LACKING_SECONDS:
                    # In a thread: making one asks Cassandra, and the caller may be an event loop.
                    self._readers[name] = (made_for, reader, time.monotonic())
                    threading.Thread(target=self._renew, args=(name, config, view), daemon=True).start()
                return reader
        if len(self._readers) >= MOST_READERS:
            self._readers.clear()
        reader = self._new_reader(config, view, wanted)
        self._readers[name] = (view, reader, time.monotonic())
        return reader

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Read as Feast asks: event time (UTC-aware) and values by name, or (None, None) for an absent row.

        A null is a Value without content; a feature that the view does not have is left out, and so is one
        that was never written.

        Raises:
            cassandra.DriverException, cassandra.cluster.NoHostAvailable: no answer; never an absent row.
        """
        reader, keys = self.reader(config, table, requested_features), self._keys(config, table, entity_keys)
        return _rows(reader, keys, reader.read(_distinct(keys)))

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Do what `online_read` does, without blocking the event loop once the statement is prepared."""
        reader, keys = self.reader(config, table, requested_features), self._keys(config, table, entity_keys)
        return _rows(reader, keys, await reader.read_async(_distinct(keys)))

    def _keys(
        self, config: RepoConfig, view: FeatureView, entity_keys: Sequence[EntityKey]
    ) -> list[JoinKeys | None]:
        return list(map(join_keys(key_columns(view)), entity_keys))

    def _new_reader(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> Reader:
        raise NotImplementedError

    def _opened(self, settings: ConnectionSettings) -> Session:
        return open_session(settings)

    def _renew(self, name: _Name, config: RepoConfig, view: FeatureView) -> None:
        before = self._readers.get(name)
        try:
            reader = self._new_reader(config, view, name[-1])
        except Exception as error:  # Whatever it is, the next read says it.
            log.info("A reader that lacks columns stays: %s", error)
            return
        if self._readers.get(name) is before:
            self._readers[name] = (view, reader, time.monotonic())


def _columns(view: FeatureView) -> list[tuple[str, Any]]:
    """List what the columns of `view` follow from; a reading of the registry makes new objects each time."""
    return [(field.name, field.dtype) for field in (*view.entity_columns, *view.features)]


def _distinct(keys: Sequence[JoinKeys | None]) -> list[JoinKeys]:
    return list(dict.fromkeys(key for key in keys if key is not None))


def _rows(
    reader: ViewReader, keys: Sequence[JoinKeys | None], found: Mapping[JoinKeys, Found]
) -> list[FeatureRow]:
    return [_ABSENT if key is None else _row(reader, found.get(key)) for key in keys]


def _row(reader: ViewReader, found: Found | None) -> FeatureRow:
    if found is None:
        return _ABSENT
    of_features = zip(reader.names, reader.proto, reader.stored, found, strict=False)
    values = {
        name: proto(content) for name, proto, stored, content in of_features if stored or content is not None
    }
    return event_time(found), values
