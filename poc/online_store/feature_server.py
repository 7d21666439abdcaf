"""Feast's feature server, whose reads are answered on the event loop.

Feast's own handler goes through a thread, FastAPI's checks of an answer, and a driver that blocks. Its path
is taken by one that awaits what a `ResolvingProvider` can await, and leaves the rest to Feast in a thread:
with the same answers, and the same errors.
"""

import functools
import json
import logging
import traceback
from typing import Any

from feast import FeatureStore, feature_server
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from poc.online_store.provider import ResolvingProvider, awaited

_AS_FEASTS = {"preserving_proto_field_name": True, "float_precision": 18}
PATH = "/get-online-features"
log = logging.getLogger(__name__)


def install() -> None:
    """Put the handler into the apps that Feast makes from now on."""
    feasts = feature_server.get_app

    @functools.wraps(feasts)
    def get_app(store: FeatureStore, *settings: Any, **named: Any) -> Any:
        app = feasts(store, *settings, **named)
        if isinstance(store._get_provider(), ResolvingProvider):
            app.router.routes.insert(0, Route(PATH, _handler(store), methods=["POST"]))
        return app

    feature_server.get_app = get_app


def _handler(store: FeatureStore) -> Any:
    async def get_online_features(request: Request) -> Response:
        try:
            asked = json.loads(await request.body())
            message = await _answer(store, asked)
            content = feature_server.MessageToDict(message, **_AS_FEASTS)
        except Exception as error:  # As Feast's own handler: whatever it is becomes its text.
            log.error("%s", traceback.format_exc())
            return JSONResponse({"detail": str(error)}, status_code=500)
        # As FastAPI writes it: bytes as the text that they may be, no number that JSON does not have.
        text = json.dumps(
            content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=bytes.decode
        )
        return Response(text, media_type="application/json")

    return get_online_features


async def _answer(store: FeatureStore, asked: dict[str, Any]) -> Any:
    if "feature_service" in asked:
        features: Any = store.get_feature_service(asked["feature_service"], allow_cache=True)
    else:
        features = asked["features"]
    named = {"full_feature_names": asked.get("full_feature_names", False)}
    response: Any = await awaited(store, features, asked["entities"], **named)
    if response is None:
        response = await run_in_threadpool(
            store._get_online_features, features=features, entity_values=asked["entities"], **named
        )
    return response.proto
