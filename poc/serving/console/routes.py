"""The console of one server: its page, and the routes that only the page asks.

They are no part of the API: the page shows with /predict's own words what a person could ask for there.
Its files are served as they lie in `page/`, with headers that keep it to itself: nothing is built and nothing
comes from elsewhere; the browser is told to refuse what would.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from pydantic import Field, create_model
from starlette.concurrency import run_in_threadpool

from poc.dataset.columns import Limits, read_limits
from poc.definitions import Feature, JoinKey
from poc.errors import NotExplainable, RaceUnderWay
from poc.retrieval.source import EntityFeatures, EntityKey, FeatureSource, python_type
from poc.serving.console.samples import Samples
from poc.serving.prediction import Predictor
from poc.serving.problems import FieldError, invalid_request
from poc.serving.request_bodies import read_body
from poc.serving.request_models import MAX_IDS, CurrentRequests, RequestModels
from poc.serving.resources import FeatureResource
from poc.serving.response_models import json_response, prediction_response
from poc.serving.routes import PlainRoute, judge_one
from poc.settings import Settings

# How the page calls a source, by its name.
TITLES = {"feast": "Feast", "direct": "Direct reads", "feature-server": "Feature server"}
FOLDER = Path(__file__).with_name("page")
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # The browser asks each time whether its copy is still the one: a new release shows at once.
    "Cache-Control": "no-cache",
}
MOST_READS = 100
# Between two calls connections and caches go cold.
WARM_UP_READS = 5


class Race:
    """Races between a server's own source and the one that it does not read by, one at a time.

    Args:
        names: of the two, its own first.
        opens: the other one, which the first race opens, and then is kept.
    """

    def __init__(
        self, names: tuple[str, str], features: FeatureResource, opens: Callable[[], FeatureSource]
    ) -> None:
        self.names, self._features, self._opens = names, features, opens
        self._rival: FeatureSource | None = None
        self._running = asyncio.Lock()

    def close(self) -> None:
        """Give the other source up, if a race has opened it."""
        if self._rival is not None:
            self._rival.close()

    async def run(self, keys: Sequence[EntityKey], reads: int) -> dict[str, Any]:
        """Read `reads` entities, drawn from `keys`, by each way, after some uncounted ones.

        Returns `latencies_ms` by the way's name, of each counted read: position i is the same key for both.
        `differing` are counted keys of which the two ways gave different values or event times.

        Raises RaceUnderWay where another one has not ended, another PocError where a way cannot be read.
        """
        if self._running.locked():
            raise RaceUnderWay
        async with self._running:
            own = self._features.get()
            if self._rival is None:
                self._rival = await run_in_threadpool(self._opens)
            sources = dict(zip(self.names, (own, self._rival), strict=True))
            latencies_ms: dict[str, list[float]] = {name: [] for name in sources}
            differing, draw = 0, random.Random()
            # Drawn for each turn, a key and who reads it first: a slow moment meets both alike.
            for turn in range(-WARM_UP_READS, reads):
                key, answers = draw.choice(keys), []
                for name in draw.sample(list(sources), len(sources)):
                    started = time.perf_counter_ns()
                    answers.append(await sources[name].read([key]))
                    if turn >= 0:
                        # A nanosecond is more than a clock can tell.
                        latencies_ms[name].append(round((time.perf_counter_ns() - started) / 1e6, 4))
                one, other = map(_read, answers)
                differing += turn >= 0 and one != other
            return {"latencies_ms": latencies_ms, "differing": differing}


def _read(answer: Sequence[EntityFeatures | None]) -> object:
    return [None if item is None else (item.values, item.event_timestamp) for item in answer]


def race_of(source_name: str, settings: Settings, features: FeatureResource) -> Race:
    """Return the races of a server over `features`, of that name, with the way that it does not take."""
    rival = "feast" if source_name == "direct" else "direct"

    def opens() -> FeatureSource:
        from poc.retrieval.direct_source import open_direct_source
        from poc.retrieval.feast_source import open_feast_source

        return open_feast_source(settings) if rival == "feast" else open_direct_source(settings)

    return Race((source_name, rival), features, opens)


def console_router(predictor: Predictor, current: CurrentRequests, samples: Samples, race: Race) -> APIRouter:
    """Make the page's routes. The caller closes `race`."""
    router = APIRouter(include_in_schema=False, route_class=PlainRoute)

    @router.get("/console/about")
    async def tell(request: Request) -> Response:
        return json_response(about_response(current.models(), race.names))

    @router.get("/console/examples")
    async def examples(request: Request) -> Response:
        found = await samples.examples()
        told = [
            {"keys": [*map(_typed, item.key)], "fraud_probability": item.fraud_probability} for item in found
        ]
        return json_response({"examples": told})

    @router.post("/console/explain")
    async def explain(request: Request) -> Response:
        judgement, judged = await judge_one(request, predictor, current)
        from poc.model.contributions import contributions

        said: dict[str, Any] = {"prediction": prediction_response(judgement, judged, race.names[0])}
        said |= {"contributions": None, "unexplained": None}
        try:
            said["contributions"] = await run_in_threadpool(contributions, judged.model, judgement.features)
        except NotExplainable as error:
            said["unexplained"] = {"detail": error.what, "way_out": error.way_out}
        return json_response(said)

    @router.post("/console/race")
    async def run(request: Request) -> Response:
        body = await read_body(request, race_request(current.models()))
        keys = await samples.keys() or body.keys()
        if not keys:
            field = current.models().rows
            return invalid_request([FieldError(field=field, message="Look a transaction up first.")])
        return json_response(await race.run(keys, body.reads))

    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in MEDIA_TYPES}

    @router.get("/")
    async def page(request: Request) -> Response:
        return _file(request, "index.html", files["index.html"])

    @router.get("/console/page/{name}")
    async def part(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise HTTPException(404)
        return _file(request, name, files[name])

    return router


def _file(request: Request, name: str, content: bytes) -> Response:
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = HEADERS | {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)


def race_request(request_models: RequestModels) -> Any:
    """Make the model of a part of a race: the entities are for a server that has no sample of its own."""
    rows: Any = request_models.batch.model_fields["asked"].annotation
    reads: Any = (int, Field(ge=1, le=MOST_READS, description="Counted reads by each way."))
    asked: Any = (rows, Field(alias=request_models.rows, default_factory=list, max_length=MAX_IDS))
    return create_model("RaceRequest", __base__=request_models.batch, reads=reads, asked=asked)


def about_response(request_models: RequestModels, ways: Sequence[str]) -> dict[str, Any]:
    """Tell what the page is about; `ways` are names of sources, the server's own first."""
    served = request_models.served
    ttls = [view.ttl for view in served.feature_sets if view.ttl is not None]
    return {
        "service": served.service,
        "views": [view.view for view in served.feature_sets],
        "keys": [{"name": key.name, "kind": _kind(key, Limits(), "text")} for key in served.join_keys],
        # The field of a batch, and of a race, that lists entities.
        "rows": request_models.rows,
        "ttl_seconds": min(ttls).total_seconds() if ttls else None,
        "features": [_feature(item) for item in served.features],
        "ways": [{"name": name, "title": TITLES.get(name, name)} for name in ways],
        "most_reads": MOST_READS,
    }


def _kind(item: Feature | JoinKey, limits: Limits, other: str) -> str:
    """Return how the page lets a person type values of `item`."""
    whole, text = "flag" if limits.binary else "whole", "text" if limits.values is None else "choice"
    kinds = {bool: "yes_no", int: whole, float: "number", str: text}
    return kinds.get(python_type(item.dtype), other)


def _feature(feature: Feature) -> dict[str, Any]:
    """Tell of a feature as the page shows it and lets a person change it, but for one of the kind `other`."""
    limits = read_limits(feature)
    kind = _kind(feature, limits, "other")
    return {"name": feature.name, "description": feature.description, "kind": kind, **asdict(limits)}


def _typed(part: Any) -> str:
    """Word a key's value as a person types it in the page's field."""
    return str(part).lower() if isinstance(part, bool) else str(part)
