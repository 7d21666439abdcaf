"""Features read by Feast's own call: `FeatureStore.get_online_features_async`.

Whatever online store the yaml names; one that cannot be awaited is read in a thread.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from poc.definitions import ServedFeatures, ServedView
from poc.errors import FeaturesNotApplied, FeaturesNotMaterialized, FeaturesOutdated, OnlineTableMissing
from poc.feature_store import close_feature_store, connection_of, open_feature_store, read_for_serving
from poc.online_store.errors import NoCassandra
from poc.online_store.failures import cassandra_failures
from poc.retrieval.entities import Entities, ViewRows, ViewValues, fitting, references
from poc.retrieval.following import FollowingSource, holds_rows
from poc.retrieval.shared_reads import SharedReads
from poc.retrieval.source import EntityFeatures, EntityKey, Value, probe_key
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore
    from feast.online_response import OnlineResponse

    from poc.online_store.response import ResolvedResponse


def open_feast_source(settings: Settings) -> "FeastFeatureSource":
    """Connect, and find out that the feature service of `settings` can be read.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotApplied: the registry or the online store does not know the features.
        CassandraUnavailable: no host accepts a connection.
    """
    store = open_feature_store(settings)
    read_for_serving(store, settings.feature_timeout_seconds, settings.feature_driver)
    try:
        where = str(connection_of(store))
    except NoCassandra:
        where = f"the online store ({store.config.online_store.type})"
    return FeastFeatureSource(store, where, settings)


class _State(Entities):
    """`asked` are Feast's names of the features, or the service itself where it renames keys.

    The online store can be awaited, or not. Of each view `rows` reads those of the reader that was last met.
    """

    def __init__(self, served: ServedFeatures, asked: "list[str] | FeatureService", awaits: bool) -> None:
        super().__init__(served)
        self.asked, self.awaits, self.key_names = asked, awaits, served.key_names
        self.rows: list[ViewRows | None] = [None] * len(served.views)

    def entity_rows(self, keys: Sequence[EntityKey]) -> list[dict[str, Any]]:
        return [dict(zip(self.key_names, key, strict=True)) for key in keys]

    def resolved(self, response: "ResolvedResponse") -> list[list[ViewValues | None]]:
        found = []
        for place, view in enumerate(self.served.views):
            part = response.answered[0]
            if len(response.answered) > 1:
                first = view.features[0].name
                part = next(item for item in response.answered if first in item.names)
            rows = self.rows[place]
            if rows is None or rows.reader is not part.reader:
                rows = self.rows[place] = ViewRows(view.features, part.reader)
            found.append(list(map(rows.values, part.rows)))
        return found


class FeastFeatureSource(FollowingSource[_State]):
    """The features of one feature service, read through Feast. `close` ends the store's sessions."""

    name = "feast"

    def __init__(self, store: "FeatureStore", where: str, settings: Settings) -> None:
        super().__init__(store, where, settings)
        self._shared = SharedReads(super().read, self._within)

    async def read(self, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        """See `FeatureSource.read`; what is asked for at one time is one call of Feast's."""
        return await self._shared.read(keys)

    def _state(self, served: ServedFeatures) -> _State:
        asked: list[str] | FeatureService | None = references(served)
        if asked is None:
            asked = self._store.get_feature_service(served.service, allow_cache=True)
        state = _State(served, asked, getattr(self._store._get_provider(), "reads_awaited", False))
        # What is prepared for the first read is prepared here: it blocks.
        with self._failures(state):
            answer = self._store.get_online_features(state.asked, state.entity_rows([probe_key(served)]))
            if state.awaits:
                self._require_as_declared(served, answer)
        return state

    def _require_as_declared(self, served: ServedFeatures, answer: "OnlineResponse") -> None:
        """Stay with what was declared before until the online store has what is declared now.

        The readers that were asked say so: another of the same features may follow the table later.
        """
        if hasattr(answer, "answered"):
            readers = [part.reader for part in answer.answered]
        else:
            open_reader, views = self._store._get_provider().reader, served.feature_sets
            readers = [open_reader(self._applied(item.view), list(item.names)) for item in views]
        for reader in readers:
            if retyped := getattr(reader, "retyped", ()):
                raise FeaturesOutdated(f"{reader.table} holds other types of {', '.join(retyped)}")

    async def _views(self, state: _State, keys: Sequence[EntityKey]) -> list[list[ViewValues | None]]:
        asked, rows = state.asked, state.entity_rows(keys)
        if state.awaits:
            response = await self._store.get_online_features_async(asked, rows)
        else:
            response = await asyncio.to_thread(self._store.get_online_features, asked, rows)
        if hasattr(response, "answered"):
            return state.resolved(response)
        return [_of_message(view, response) for view in state.served.views]

    @contextmanager
    def _failures(self, state: _State) -> Iterator[None]:
        from feast.errors import FeastObjectNotFoundException

        try:
            with cassandra_failures(self._where):
                yield
        except FeastObjectNotFoundException as error:
            raise FeaturesNotApplied(self._service) from error
        except KeyError as error:
            # How Feast says that a view, or its projection, has no such feature any more.
            raise FeaturesOutdated(f"The registry has changed: {error}") from error
        except Exception as error:
            # What SQLite says; of other stores nothing is known.
            if "no such table" in str(error):
                raise OnlineTableMissing(f"in {self._where}: {error}") from error
            raise

    def _require_filled(self, state: _State) -> None:
        provider = self._store._get_provider()
        with self._failures(state):
            for view in state.served.feature_sets:
                applied = self._applied(view.view)
                if state.awaits:
                    reader = provider.reader(applied, list(view.names))
                    session = provider.online_store.session(self._store.config)
                    if not holds_rows(session, reader.table, self._timeout_seconds):
                        raise FeaturesNotMaterialized(reader.table)
                # What is kept elsewhere than in Cassandra cannot be asked: there counts what Feast recorded.
                elif not applied.materialization_intervals:
                    raise FeaturesNotMaterialized(view.view)

    def _end(self) -> None:
        close_feature_store(self._store)


def _of_message(view: ServedView, response: "OnlineResponse") -> list[ViewValues | None]:
    """Read a response that Feast made by itself: its protobuf says more than its `to_dict`."""
    from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

    from poc.online_store.stock_reader import python_value

    message = response.proto
    vectors = dict(zip(message.metadata.feature_names.val, message.results, strict=True))
    columns = [(feature.name, fitting(feature), vectors[feature.name]) for feature in view.features]
    found: list[ViewValues | None] = []
    for place in range(len(columns[0][2].values)):
        values: dict[str, Value] = {}
        moment: datetime | None = None
        for name, fit, vector in columns:
            if vector.statuses[place] == FieldStatus.NOT_FOUND:
                continue
            content = python_value(vector.values[place])
            values[name] = None if content is None else fit(content)
            if moment is None:
                moment = vector.event_timestamps[place].ToDatetime(tzinfo=timezone.utc)
        found.append(None if moment is None else (values, moment))
    return found
