"""Features read from the direct tables, without Feast's call: one prepared statement an entity and view.

Which features there are, Feast's registry says; it is looked into again in the background.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from poc.definitions import ServedFeatures
from poc.errors import CassandraUnavailable, FeaturesNotMaterialized, FeaturesOutdated, OnlineTableMissing
from poc.feature_store import connection_of, open_feature_store
from poc.online_store.acsylla_reads import acsylla_reads
from poc.online_store.connection import ConnectionSettings, Driver
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import Session, open_session
from poc.retrieval.budget import within
from poc.retrieval.entities import Entities, ViewRows, ViewValues, key_of_view
from poc.retrieval.filled import holds_rows, probe_key
from poc.retrieval.following import Following
from poc.retrieval.source import EntityFeatures, EntityKey, utc_now
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.online_store.view_reader import RowReader


def open_direct_source(settings: Settings) -> "DirectFeatureSource":
    """Connect, and prepare the statements for the direct tables of `settings`.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        NoCassandra: the yaml's online store is kept elsewhere.
        FeaturesNotApplied: the registry does not know the features.
        FeaturesNotMaterialized: there is no such table yet.
        FeaturesOutdated: a column has another type than declared.
        CassandraUnavailable: no host accepts a connection.
    """
    store = open_feature_store(settings)
    stated = connection_of(store)
    seconds = settings.feature_timeout_seconds
    connection = replace(stated, request_timeout_seconds=min(stated.request_timeout_seconds, seconds))
    session = open_session(connection)
    try:
        return DirectFeatureSource(
            store,
            settings.feature_service,
            session,
            connection,
            settings.direct_keyspace,
            driver=settings.feature_driver,
            timeout_seconds=seconds,
            refresh_seconds=settings.registry_refresh_seconds,
        )
    except BaseException:
        session.cluster.shutdown()
        raise


@dataclass(frozen=True, slots=True)
class _View:
    """How one view is read: `key` makes its key of a request's."""

    reader: "RowReader"
    rows: ViewRows
    key: Callable[[EntityKey], tuple[Any, ...]]

    async def read(self, keys: Sequence[EntityKey]) -> list[ViewValues | None]:
        own = list(map(self.key, keys))
        found = await self.reader.read_async(own if len(own) == 1 else list(dict.fromkeys(own)))
        values = self.rows.values
        return [values(found.get(key)) for key in own]


@dataclass(slots=True)
class _State:
    """What is served: replaced as a whole, so that a read ends as it began."""

    served: ServedFeatures
    names: tuple[str, ...]
    entities: Entities
    views: tuple[_View, ...]
    filled: bool = False


class DirectFeatureSource:
    """The features of one feature service in their direct tables.

    Args:
        store: Feast, for its registry.
        service: the feature service.
        session: where to read; `close` ends it.
        connection: what it was opened with.
        keyspace: of the direct tables.
        driver: what to read with.
        timeout_seconds: longest that one `read` may take.
        refresh_seconds: how often the registry is read again.
        clock: tells the time, UTC-aware.
    """

    name = "direct"

    def __init__(
        self,
        store: "FeatureStore",
        service: str,
        session: Session,
        connection: ConnectionSettings,
        keyspace: str,
        *,
        driver: Driver,
        timeout_seconds: float,
        refresh_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store, self._session, self._connection, self._keyspace = store, session, connection, keyspace
        self._timeout_seconds, self._clock = timeout_seconds, clock
        self._where = str(connection)
        self._acsylla = acsylla_reads(connection, driver)
        self._is_closed = False
        # A feature gets its column when it is first materialized.
        self._following = Following(
            store,
            service,
            self._state,
            refresh_seconds,
            lacks=lambda state: any(view.reader.lacking for view in state.views),
        )

    @property
    def served(self) -> ServedFeatures:
        """See `FeatureSource.served`."""
        return self._following.now.served

    @property
    def feature_names(self) -> tuple[str, ...]:
        """See `FeatureSource.feature_names`."""
        return self._following.now.names

    async def read(self, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        """See `FeatureSource.read`."""
        if not keys:
            return []
        state = self._following.now
        found = await self._found(state, keys)
        if not state.filled:
            if not any(found):
                await self._require_filled(state)
            state.filled = True
        return found

    async def check(self) -> None:
        """See `FeatureSource.check`."""
        state = self._following.now
        await self._found(state, [probe_key(state.served)])
        state.filled = False
        await self._require_filled(state)
        state.filled = True

    def refresh(self) -> None:
        """Read the registry again, and go over to what it says now. Blocks.

        Raises:
            PocError: it does not name the features, or they cannot be read. The old ones stay.
        """
        self._following.refresh()

    def close(self) -> None:
        """End the refresh and the sessions. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._following.close()
            if self._acsylla is not None:
                self._acsylla.close()
            self._session.cluster.shutdown()

    def _state(self, served: ServedFeatures) -> _State:
        from poc.online_store.layout import direct_layout
        from poc.online_store.view_reader import RowReader

        known = {
            item.name: item
            for item in (
                *self._store.list_feature_views(allow_cache=True),
                *self._store.list_stream_feature_views(allow_cache=True),
            )
        }
        views = []
        for view in served.views:
            name = view.definitions.view
            layout = direct_layout(self._keyspace, self._store.project, known[name])
            with self._failures(layout.qualified):
                try:
                    # A statement a key: this way is what the comparison holds Feast's against.
                    reader = RowReader(self._session, layout, view.names, self._connection, 1, self._acsylla)
                except OnlineTableMissing as error:
                    raise FeaturesNotMaterialized(layout.qualified) from error
            key = key_of_view(served, view, reader.key_names)
            views.append(_View(reader, ViewRows(view.features, reader), key))
        return _State(served, served.names, Entities(served, self._clock), tuple(views))

    async def _found(self, state: _State, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        if self._is_closed:
            raise CassandraUnavailable(self._where, "the source was closed")
        seconds, views = self._timeout_seconds, state.views
        try:
            with self._failures(views[0].reader.layout.qualified):
                found = await within(
                    seconds,
                    _all(views, keys),
                    lambda: CassandraUnavailable(self._where, f"no answer in {seconds:.1f} s"),
                )
        except (FeaturesOutdated, FeaturesNotMaterialized):
            self._following.suspect()
            raise
        return state.entities.of(keys, found)

    def _failures(self, table: str) -> AbstractContextManager[None]:
        return cassandra_failures(self._where, lambda: FeaturesNotMaterialized(table))

    async def _require_filled(self, state: _State) -> None:
        for table in {view.reader.layout.qualified for view in state.views}:
            with self._failures(table):
                filled = await asyncio.to_thread(holds_rows, self._session, table, self._timeout_seconds)
            if not filled:
                raise FeaturesNotMaterialized(table)


async def _all(views: Sequence[_View], keys: Sequence[EntityKey]) -> list[list[ViewValues | None]]:
    if len(views) == 1:
        return [await views[0].read(keys)]
    return await asyncio.gather(*(view.read(keys) for view in views))
