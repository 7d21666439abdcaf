"""The routes that predict, and those that tell by what."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from poc.errors import PocError
from poc.serving.answers import ModelAnswer, batch_answer, json_response, prediction_answer
from poc.serving.asked import Asked
from poc.serving.bodies import PlainRoute, arrived, read_body
from poc.serving.kept import Kept
from poc.serving.metrics import Metrics
from poc.serving.prediction import Predictor
from poc.serving.problems import InvalidRequest, Problem

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

_REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": InvalidRequest, "description": "The request does not fit; `errors` names the fields."},
    503: {"model": Problem, "description": "No prediction can be made now; `way_out` says what to do."},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown transaction."}}


def prediction_router(predictor: Predictor, asked: Asked, source: str) -> APIRouter:
    """Make the routes that judge transactions. Their bodies are documented by `poc.serving.documentation`."""
    router = APIRouter(tags=["predictions"], route_class=PlainRoute)

    @router.post("/predict", responses=_REFUSALS | _UNKNOWN)
    async def predict(request: Request) -> Response:
        """Judge one transaction by its stored features, or by what it would be with others."""
        body = await read_body(request, asked.questions().prediction)
        judged = await predictor.judge([body.key()], body.overrides.values(), arrived(request))
        outcome = judged.outcomes[0]
        if isinstance(outcome, PocError):
            raise outcome
        return json_response(prediction_answer(outcome, judged, source))

    @router.post("/predict/batch", responses=_REFUSALS)
    async def predict_batch(request: Request) -> Response:
        """Judge up to 100 transactions. One that cannot be judged does not keep the others from it."""
        keys = (await read_body(request, asked.questions().batch)).keys()
        judged = await predictor.judge(keys, {}, arrived(request))
        return json_response(batch_answer(keys, judged, source))

    return router


def state_router(model: "Kept[Scorer]", metrics: Metrics) -> APIRouter:
    """Make the routes that tell by which model predictions are made, and how they go."""
    router = APIRouter(tags=["state"])

    @router.get("/model", response_model=ModelAnswer, responses={503: {"model": Problem}})
    def served_model() -> Response:
        """Tell which version of which model judges, from which probability on, and by what."""
        scorer = model.get()
        return json_response(
            ModelAnswer(
                name=scorer.name, version=scorer.version, threshold=scorer.threshold, inputs=scorer.inputs
            )
        )

    @router.get("/metrics", response_class=Response)
    def prometheus() -> Response:
        """Give the metrics in Prometheus's text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
