"""Features read from the direct tables, without Feast's call: one prepared statement an entity and view.

Which features there are, Feast's registry says; it is looked into again in the background.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from poc.definitions import ServedFeatures
from poc.errors import FeaturesNotMaterialized, OnlineTableMissing
from poc.feature_store import connection_of, open_feature_store
from poc.online_store.acsylla_reads import acsylla_reads
from poc.online_store.connection import ConnectionSettings
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import open_session
from poc.retrieval.entities import Entities, ViewRows, ViewValues, key_of_view
from poc.retrieval.following import FollowingSource, holds_rows
from poc.retrieval.source import EntityKey
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.online_store.view_reader import RowReader


def open_direct_source(settings: Settings) -> "DirectFeatureSource":
    """Connect, and prepare the statements for the direct tables of `settings`.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        NoCassandra, CassandraUnavailable: the online store is kept elsewhere, or no host lets us in.
        FeaturesNotApplied, FeaturesNotMaterialized: the registry lacks the features, or there is no table.
        FeaturesOutdated: a column has another type than declared.
    """
    store = open_feature_store(settings)
    stated = connection_of(store)
    seconds = min(stated.request_timeout_seconds, settings.feature_timeout_seconds)
    return DirectFeatureSource(store, replace(stated, request_timeout_seconds=seconds), settings)


@dataclass(frozen=True, slots=True)
class _View:
    """How one view is read: `key` makes its key of a request's."""

    reader: "RowReader"
    rows: ViewRows
    key: Callable[[EntityKey], tuple[Any, ...]]

    async def read(self, keys: Sequence[EntityKey]) -> list[ViewValues | None]:
        own = list(map(self.key, keys))
        found = await self.reader.read_async(own)
        values = self.rows.values
        return [values(found.get(key)) for key in own]


class _State(Entities):
    def __init__(self, served: ServedFeatures, views: Sequence[_View]) -> None:
        super().__init__(served)
        self.views = views


class DirectFeatureSource(FollowingSource[_State]):
    """The features of one feature service in their direct tables, read in sessions that `close` ends."""

    name = "direct"

    def __init__(self, store: "FeatureStore", connection: ConnectionSettings, settings: Settings) -> None:
        self._connection, self._keyspace = connection, settings.direct_keyspace
        self._acsylla = acsylla_reads(connection, settings.feature_driver)
        self._session = open_session(connection)
        super().__init__(store, str(connection), settings)

    def _state(self, served: ServedFeatures) -> _State:
        from poc.online_store.layout import direct_layout
        from poc.online_store.view_reader import RowReader

        views = []
        for view in served.views:
            layout = direct_layout(self._keyspace, self._store.project, self._applied(view.definitions.view))
            with self._failures_of(layout.qualified):
                try:
                    # A statement a key: this way is what the comparison holds Feast's against.
                    reader = RowReader(self._session, layout, view.names, self._connection, 1, self._acsylla)
                except OnlineTableMissing as error:
                    raise FeaturesNotMaterialized(layout.qualified) from error
            key = key_of_view(served, view, reader.key_names)
            views.append(_View(reader, ViewRows(view.features, reader), key))
        return _State(served, views)

    def _lacks(self, state: _State) -> bool:
        # A feature gets its column when it is first materialized.
        return any(view.reader.lacking for view in state.views)

    async def _views(self, state: _State, keys: Sequence[EntityKey]) -> list[list[ViewValues | None]]:
        if len(state.views) == 1:
            return [await state.views[0].read(keys)]
        return await asyncio.gather(*(view.read(keys) for view in state.views))

    def _failures(self, state: _State) -> AbstractContextManager[None]:
        return self._failures_of(state.views[0].reader.table)

    def _failures_of(self, table: str) -> AbstractContextManager[None]:
        return cassandra_failures(self._where, lambda: FeaturesNotMaterialized(table))

    def _require_filled(self, state: _State) -> None:
        for table in {view.reader.table for view in state.views}:
            with self._failures_of(table):
                if not holds_rows(self._session, table, self._timeout_seconds):
                    raise FeaturesNotMaterialized(table)

    def _end(self) -> None:
        if self._acsylla is not None:
            self._acsylla.close()
        self._session.cluster.shutdown()
