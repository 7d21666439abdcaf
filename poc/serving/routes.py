"""The routes that predict, those that tell by what, and those that tell whether it can be done."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST

from poc.errors import FeaturesUnavailable, PocError, ShuttingDown
from poc.serving import response_models as answers
from poc.serving.metrics import Metrics
from poc.serving.prediction import Judged, Judgement, Predictor, require_inputs
from poc.serving.problems import InvalidRequest, Problem, listed_problem_types
from poc.serving.request_bodies import read_body
from poc.serving.request_models import CurrentRequests
from poc.serving.resources import FeatureResource, ModelResource

log = logging.getLogger(__name__)

# Of several processes, a probe asks only one.
WATCH_SECONDS = 5.0
_REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "The body is larger than any that fits."},
    415: {"model": Problem, "description": "The body is compressed, or not JSON by its content type."},
    422: {"model": InvalidRequest, "description": "The request does not fit; `errors` names the fields."},
    503: {"model": Problem, "description": "No prediction can be made now; `way_out` says what to do."},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown transaction."}}


class Readiness:
    """Tells whether predictions can be made, by trying what they need; shows the states among `metrics`.

    One that is `draining` is to stop: it is not ready any more, and still answers.
    """

    def __init__(self, features: FeatureResource, model: ModelResource, metrics: Metrics) -> None:
        self._features, self._model, self._metrics = features, model, metrics
        self.draining = False

    async def obstacles(self) -> dict[str, PocError | None]:
        """Return for each component what stands in its way; None if nothing does."""
        found: dict[str, PocError | None] = {"features": None, "model": None}
        try:
            await self._features.get().check()
        except PocError as error:
            found["features"] = error
            if isinstance(error, FeaturesUnavailable):
                self._features.suspect(error)
        try:
            source, scorer = self._features.latest, self._model.get()
            if source is not None:
                require_inputs(scorer, source.served)
        except PocError as error:
            found["model"] = error
        for component, obstacle in found.items():
            self._metrics.set_ready(component, obstacle is None)
        return found

    async def watch(self, seconds: float = WATCH_SECONDS) -> None:
        """Keep the metrics of the components' states true, whoever asks for /ready, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.obstacles()
            except Exception:  # Whatever it is, /ready tells of it too; it must not end the watch.
                log.exception("The components' states cannot be told")

    async def obstacle(self) -> PocError | None:
        """Return the first reason against sending predictions here; None if there is none."""
        if self.draining:
            return ShuttingDown()
        return next((error for error in (await self.obstacles()).values() if error is not None), None)


class PlainRoute(APIRoute):
    """A route whose endpoint takes the request and answers with a `Response`, and nothing in between.

    FastAPI would solve dependencies that there are not, which takes a good part of reading the features.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Replace FastAPI's handler."""
        endpoint: Any = self.dependant.call

        async def answer(request: Request) -> Response:
            # For `Predictor.judge`.
            request.state.arrived = time.monotonic()
            response: Response = await endpoint(request)
            return response

        return answer


async def judge_one(
    request: Request, predictor: Predictor, current: CurrentRequests
) -> tuple[Judgement, Judged]:
    """Judge the transaction that `request`, by a `PlainRoute`, asks for; raise why it cannot be."""
    body = await read_body(request, current.models().prediction)
    judged = await predictor.judge([body.key()], body.overrides.values(), request.state.arrived)
    [outcome] = judged.outcomes
    if isinstance(outcome, PocError):
        raise outcome
    return outcome, judged


def prediction_router(predictor: Predictor, current: CurrentRequests, source: str) -> APIRouter:
    """Make the routes that judge transactions. `poc.serving.response_models` documents their bodies."""
    router = APIRouter(tags=["predictions"], route_class=PlainRoute)

    @router.post("/predict", responses=_REFUSALS | _UNKNOWN)
    async def predict(request: Request) -> Response:
        """Judge one transaction by its stored features, or by what it would be with others."""
        judgement, judged = await judge_one(request, predictor, current)
        return answers.json_response(answers.prediction_response(judgement, judged, source))

    @router.post("/predict/batch", responses=_REFUSALS)
    async def predict_batch(request: Request) -> Response:
        """Judge up to 100 transactions. One that cannot be judged does not keep the others from it."""
        keys = (await read_body(request, current.models().batch)).keys()
        judged = await predictor.judge(keys, {}, request.state.arrived)
        return answers.json_response(answers.batch_response(keys, judged, source))

    return router


def state_router(readiness: Readiness, model: ModelResource, metrics: Metrics, source: str) -> APIRouter:
    """Make the routes that a supervisor and a person ask, and Prometheus."""
    router = APIRouter(tags=["state"])

    @router.get("/model", responses={503: {"model": Problem, "description": "There is no model now."}})
    def served_model() -> answers.ModelResponse:
        """Tell which version of which model judges, from which probability on, and by what."""
        return answers.ModelResponse.model_validate(model.get(), from_attributes=True)

    @router.get("/metrics", response_class=PlainTextResponse)
    def prometheus() -> Response:
        """Return the metrics in Prometheus's text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/live")
    async def live() -> answers.StatusResponse:
        """Tell that the process answers. Says nothing of Cassandra or the model."""
        return answers.StatusResponse(status="alive")

    @router.get("/ready", responses={503: {"model": Problem}})
    async def ready() -> answers.StatusResponse:
        """Tell whether predictions can be asked for now: 200, or 503 and what to do."""
        obstacle = await readiness.obstacle()
        if obstacle is not None:
            raise obstacle
        return answers.StatusResponse(status="ready")

    @router.get(
        "/health", response_model_exclude_none=True, responses={503: {"model": answers.HealthResponse}}
    )
    async def health(response: Response) -> answers.HealthResponse:
        """Tell the state of each component; 503 unless all are ready."""
        components = tuple(
            answers.Component(name=name, ready=True)
            if error is None
            else answers.Component(name=name, ready=False, detail=error.what, way_out=error.way_out)
            for name, error in (await readiness.obstacles()).items()
        )
        all_ready = all(component.ready for component in components) and not readiness.draining
        status = "ready" if all_ready else "shutting_down" if readiness.draining else "not_ready"
        response.status_code = 200 if all_ready else 503
        return answers.HealthResponse(status=status, source=source, components=components)

    @router.get("/problems/{slug}", include_in_schema=False)
    async def problem_page(slug: str) -> dict[str, Any]:
        """Tell what a problem's `type` means."""
        kind = listed_problem_types().get(slug)
        if kind is None:
            raise HTTPException(404)
        return {"title": kind.title, "status": kind.status}

    return router
