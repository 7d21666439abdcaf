"""Features read by Feast's own call: `FeatureStore.get_online_features_async`.

Whatever online store the yaml names; one that cannot be awaited is read in a thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from poc.definitions import ServedFeatures, ServedView
from poc.errors import CassandraUnavailable, FeaturesNotApplied, FeaturesOutdated, OnlineTableMissing
from poc.feature_store import close_feature_store, connection_of, open_feature_store, read_for_serving
from poc.online_store.errors import NoCassandra
from poc.online_store.failures import cassandra_failures
from poc.retrieval.budget import within
from poc.retrieval.entities import Entities, ViewRows, ViewValues, references
from poc.retrieval.filled import probe_key, require_filled
from poc.retrieval.following import Following
from poc.retrieval.source import EntityFeatures, EntityKey, Value, utc_now
from poc.retrieval.values import fitting
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore
    from feast.online_response import OnlineResponse

    from poc.online_store.response import ResolvedResponse

T = TypeVar("T")


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
        return FeastFeatureSource(
            store,
            settings.feature_service,
            timeout_seconds=settings.feature_timeout_seconds,
            refresh_seconds=settings.registry_refresh_seconds,
        )
    except BaseException:
        close_feature_store(store)
        raise


@dataclass(slots=True)
class _State:
    """What is served: replaced as a whole, so that a read ends as it began.

    Attributes:
        asked: Feast's names of the features; the service itself where it renames keys.
        rows: of each view, what reads the rows of the reader that was last met.
        filled: whether the store was found to hold something.
    """

    served: ServedFeatures
    names: tuple[str, ...]
    key_names: tuple[str, ...]
    asked: "list[str] | FeatureService"
    entities: Entities
    rows: list[ViewRows | None]
    filled: bool = False


class FeastFeatureSource:
    """The features of one feature service, read through Feast.

    Args:
        store: Feast; `close` ends its sessions.
        service: the feature service.
        timeout_seconds: longest that one `read` may take.
        refresh_seconds: how often the registry is read again.
        clock: tells the time, UTC-aware.
    """

    name = "feast"

    def __init__(
        self,
        store: "FeatureStore",
        service: str,
        *,
        timeout_seconds: float,
        refresh_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store, self._service_name, self._clock = store, service, clock
        self._timeout_seconds = timeout_seconds
        self._where = _where(store)
        self._awaits = getattr(store._get_provider(), "reads_awaited", False)
        self._is_closed = False
        self._following = Following(store, service, self._state, refresh_seconds)

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
        found = state.entities.of(keys, self._views(state, await self._ask(state, keys)))
        if not state.filled:
            if not any(found):
                await self._within(asyncio.to_thread(self._require_filled, state))
            state.filled = True
        return found

    async def check(self) -> None:
        """See `FeatureSource.check`."""
        state = self._following.now
        await self._ask(state, [probe_key(state.served)])
        state.filled = False
        await self._within(asyncio.to_thread(self._require_filled, state))
        state.filled = True

    def refresh(self) -> None:
        """Read the registry again, and go over to what it says now. Blocks.

        Raises:
            PocError: it does not name the features, or they cannot be read. The old ones stay.
        """
        self._following.refresh()

    def close(self) -> None:
        """End the refresh and the store's sessions. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._following.close()
            close_feature_store(self._store)

    def _state(self, served: ServedFeatures) -> _State:
        names = references(served)
        if names is None:
            names = self._store.get_feature_service(served.service, allow_cache=True)
        state = _State(
            served,
            served.names,
            served.key_names,
            names,
            Entities(served, self._clock),
            [None] * len(served.views),
        )
        # What is prepared for the first read is prepared here: it blocks.
        self._ask_blocking(state, [probe_key(served)])
        return state

    async def _ask(self, state: _State, keys: Sequence[EntityKey]) -> "OnlineResponse":
        if self._is_closed:
            raise CassandraUnavailable(self._where, "the source was closed")
        if not self._awaits:
            return await self._within(asyncio.to_thread(self._ask_blocking, state, keys))
        try:
            with self._failures():
                return await self._within(
                    self._store.get_online_features_async(state.asked, self._entity_rows(state, keys))
                )
        except (FeaturesOutdated, FeaturesNotApplied):
            self._following.suspect()
            raise

    def _ask_blocking(self, state: _State, keys: Sequence[EntityKey]) -> "OnlineResponse":
        with self._failures():
            return self._store.get_online_features(state.asked, self._entity_rows(state, keys))

    def _entity_rows(self, state: _State, keys: Sequence[EntityKey]) -> list[dict[str, Any]]:
        names = state.key_names
        return [dict(zip(names, key, strict=True)) for key in keys]

    async def _within(self, work: Awaitable[T]) -> T:
        seconds = self._timeout_seconds
        return await within(
            seconds, work, lambda: CassandraUnavailable(self._where, f"no answer in {seconds:.1f} s")
        )

    def _views(self, state: _State, response: "OnlineResponse") -> list[list[ViewValues | None]]:
        try:
            if hasattr(response, "answered"):
                return _resolved(state, response)
            return [_of_message(view, response) for view in state.served.views]
        except FeaturesOutdated:
            self._following.suspect()
            raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what Feast and the drivers raise into this project's errors."""
        from feast.errors import FeastObjectNotFoundException

        try:
            with cassandra_failures(self._where):
                yield
        except FeastObjectNotFoundException as error:
            raise FeaturesNotApplied(self._service_name) from error
        except KeyError as error:
            # How Feast says that a view, or its projection, has no such feature any more.
            raise FeaturesOutdated(f"The registry has changed: {error}") from error
        except Exception as error:
            # What SQLite says; of other stores nothing is known.
            if "no such table" in str(error):
                raise OnlineTableMissing(f"in {self._where}: {error}") from error
            raise

    def _require_filled(self, state: _State) -> None:
        with self._failures():
            require_filled(self._store, state.served, self._timeout_seconds)


def _resolved(state: _State, response: "ResolvedResponse") -> list[list[ViewValues | None]]:
    found = []
    for place, view in enumerate(state.served.views):
        first = view.features[0].name
        part = next(item for item in response.answered if first in item.names)
        rows = state.rows[place]
        if rows is None or rows.reader is not part.reader:
            rows = state.rows[place] = ViewRows(view.features, part.reader)
        found.append(list(map(rows.values, part.rows)))
    return found


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


def _where(store: "FeatureStore") -> str:
    try:
        return str(connection_of(store))
    except NoCassandra:
        return f"the online store ({store.config.online_store.type})"
