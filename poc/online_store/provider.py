"""The Feast provider that answers online reads from plans: `poc.online_store.provider.ResolvingProvider`.

Feast asks a provider only for the rows, after all that is slow. So importing this module puts the resolved
call into `FeatureStore`, where `get_online_features`, its async twin and Feast's feature server all end: it
answers for stores that have this provider, and leaves every other store to Feast (docs/adr/0013).
"""

import functools
import json
import logging
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureService, FeatureStore, FeatureView, RepoConfig, feature_server
from feast.infra.local import LocalProvider
from feast.infra.online_stores.online_store import OnlineStore
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import _run_pyarrow_field_mapping
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from poc.online_store import registry_file
from poc.online_store.errors import FeastNotSupported, MissingColumns
from poc.online_store.plan import Plan
from poc.online_store.plans import Plans
from poc.online_store.reading_store import ReadingStore
from poc.online_store.sinks import feast_rows
from poc.online_store.stock_reader import MessageReader
from poc.online_store.stock_store import StockCassandraOnlineStore
from poc.online_store.view_reader import Found, JoinKeys, ViewReader

SUPPORTED = "0.38.0"
_AS_FEASTS = {"preserving_proto_field_name": True, "float_precision": 18}
log = logging.getLogger(__name__)


class ResolvingProvider(LocalProvider):  # type: ignore[misc]
    """Feast's own provider, but for how online features are found; FeastNotSupported with another Feast."""

    def __init__(self, config: RepoConfig) -> None:
        found = version("feast")
        if found != SUPPORTED:
            raise FeastNotSupported(SUPPORTED, found)
        super().__init__(config)
        self._online_store: OnlineStore | None = None
        self.plans = Plans()
        self._opening = threading.Lock()

    @property
    def online_store(self) -> OnlineStore | None:
        """The configured store; Feast's own for Cassandra on a connection of ours."""
        if self._online_store is None:
            with self._opening:
                # A store that somebody derived from Feast's own keeps its values as it sees fit.
                is_stock = getattr(self.repo_config.online_store, "type", None) == "cassandra"
                if self._online_store is None and is_stock:
                    self._online_store = StockCassandraOnlineStore()
                return super().online_store
        return self._online_store

    def ingest_df(self, feature_view: FeatureView, df: pd.DataFrame) -> None:
        """Write what is pushed, converted as what is materialized is.

        Feast itself leaves out all but the first chunk of a frame, rounds integers beside a null, and cuts
        fractions.

        Raises:
            MissingColumns: the frame lacks what the view or its source names.
            WrongValueType, ValueOutOfRange, NullJoinKey: a value that cannot be written; nothing is then.
        """
        source = feature_view.batch_source
        renamed = _run_pyarrow_field_mapping(pa.Table.from_pandas(df), dict(source.field_mapping or {}))
        fields = [field.name for field in (*feature_view.entity_columns, *feature_view.features)]
        wanted = [*fields, source.timestamp_field, source.created_timestamp_column]
        missing = [name for name in wanted if name and name not in renamed.column_names]
        if missing:
            raise MissingColumns("What is to be written", missing, renamed.column_names)
        batches = renamed.combine_chunks().to_batches()
        rows = [row for batch in batches for row in feast_rows(feature_view, batch)]
        self.online_write_batch(self.repo_config, feature_view, rows, None)

    def reader(self, view: FeatureView, features: Sequence[str]) -> ViewReader:
        """Return what reads `features` of `view` from the online store."""
        store: OnlineStore | ReadingStore[ViewReader] | None = self.online_store
        if isinstance(store, ReadingStore):
            return store.reader(self.repo_config, view, features)
        return _ForeignReader(self, view, features)

    @property
    def reads_awaited(self) -> bool:
        """Whether the store answers an event loop without blocking it."""
        return isinstance(self.online_store, ReadingStore)


class _ForeignReader(MessageReader):
    """A `ViewReader` of SQLite, Redis, or whatever store the yaml names, as Feast reads it.

    It blocks only: what such a store can await, Feast asks of it itself.
    """

    def __init__(self, provider: ResolvingProvider, view: FeatureView, features: Sequence[str]) -> None:
        super().__init__(view, features)
        self._provider, self._view = provider, view

    def read(self, keys: Sequence[JoinKeys]) -> Mapping[JoinKeys, Found]:
        asked = {key: self._entity_key(key) for key in keys}
        config, names = self._provider.repo_config, list(self.names)
        rows = self._provider.online_read(config, self._view, list(asked.values()), names)
        return {
            key: (*(values.get(name) for name in names), moment)
            for key, (moment, values) in zip(asked, rows, strict=True)
            if values is not None
        }

    def _entity_key(self, key: JoinKeys) -> EntityKey:
        parts = zip(self.keys, key, strict=True)
        values = [Value(**{column.kind.attribute: part}) for column, part in parts]
        return EntityKey(join_keys=self.key_names, entity_values=values)


def _plan(
    store: FeatureStore,
    features: list[str] | FeatureService,
    entity_values: Any,
    full_feature_names: bool = False,
    native_entity_values: bool = True,
) -> tuple[ResolvingProvider, Plan] | None:
    """Find the plan of a call; None where Feast itself has to answer it."""
    provider = store._get_provider()
    if not isinstance(provider, ResolvingProvider) or not native_entity_values or not features:
        return None
    plan = provider.plans.find(store, features, full_feature_names, tuple(entity_values))
    return None if plan is None or not plan.takes(entity_values) else (provider, plan)


async def _get_online_features(store: FeatureStore, request: Request) -> Response:
    try:
        response = await _answer(store, json.loads(await request.body()))
        content = feature_server.MessageToDict(response.proto, **_AS_FEASTS)
    except Exception as error:  # As Feast's own handler: whatever it is becomes its text.
        log.error("%s", traceback.format_exc())
        return JSONResponse({"detail": str(error)}, status_code=500)
    # As FastAPI writes it: bytes as the text that they may be, no number that JSON does not have.
    text = json.dumps(
        content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=bytes.decode
    )
    return Response(text, media_type="application/json")


async def _answer(store: FeatureStore, asked: dict[str, Any]) -> OnlineResponse:
    if "feature_service" in asked:
        features: Any = store.get_feature_service(asked["feature_service"], allow_cache=True)
    else:
        features = asked["features"]
    call = (features, asked["entities"], asked.get("full_feature_names", False))
    found = _plan(store, *call)
    if found is not None:
        provider, plan = found
        online = provider.online_store
        if isinstance(online, ReadingStore) and online.is_connected:
            return await plan.answer_async(asked["entities"], provider.reader)
    # What Feast itself has to answer, what cannot be awaited, and the first read, which connects.
    return await run_in_threadpool(store._get_online_features, *call)


def install() -> None:
    """Put the resolved call into Feast's FeatureStore and feature server. A second time does nothing."""
    feasts, feasts_async = FeatureStore._get_online_features, FeatureStore._get_online_features_async
    feasts_app = feature_server.get_app
    if hasattr(feasts, "resolving"):
        return

    @functools.wraps(feasts)
    def get_online_features(
        self: FeatureStore, features: Any, entity_values: Any, *flags: bool, **named: bool
    ) -> Any:
        found = _plan(self, features, entity_values, *flags, **named)
        if found is None:
            return feasts(self, features, entity_values, *flags, **named)
        provider, plan = found
        return plan.answer(entity_values, provider.reader)

    @functools.wraps(feasts_async)
    async def get_online_features_async(
        self: FeatureStore, features: Any, entity_values: Any, *flags: bool, **named: bool
    ) -> Any:
        found = _plan(self, features, entity_values, *flags, **named)
        if found is None or not found[0].reads_awaited:
            return await feasts_async(self, features, entity_values, *flags, **named)
        provider, plan = found
        return await plan.answer_async(entity_values, provider.reader)

    @functools.wraps(feasts_app)
    def get_app(store: FeatureStore, *settings: Any, **named: Any) -> Any:
        app = feasts_app(store, *settings, **named)
        if isinstance(store._get_provider(), ResolvingProvider):
            handler = functools.partial(_get_online_features, store)
            app.router.routes.insert(0, Route("/get-online-features", handler, methods=["POST"]))
        return app

    get_online_features.resolving = True  # type: ignore[attr-defined]
    FeatureStore._get_online_features = get_online_features
    FeatureStore._get_online_features_async = get_online_features_async
    feature_server.get_app = get_app
    registry_file.install()


install()
