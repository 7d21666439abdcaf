"""The routes that predict, and those that tell by what."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from poc.definitions import FeatureSet
from poc.errors import PocError
from poc.serving.answers import (
    Answer,
    BatchAnswer,
    ModelAnswer,
    PredictionAnswer,
    batch_answer,
    prediction_answer,
)
from poc.serving.bodies import JsonRoute, arrived
from poc.serving.kept import Kept
from poc.serving.metrics import Metrics
from poc.serving.prediction import Predictor
from poc.serving.problems import InvalidRequest, Problem
from poc.serving.questions import BatchRequest, example_overrides, prediction_request

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

_REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": InvalidRequest, "description": "The request does not fit; `errors` names the fields."},
    503: {"model": Problem, "description": "No prediction can be made now; `way_out` says what to do."},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown transaction."}}


def prediction_router(predictor: Predictor, definitions: FeatureSet, source: str) -> APIRouter:
    """Make the routes that judge transactions. What may block in them, the predictor gives to threads."""
    router = APIRouter(tags=["predictions"], route_class=JsonRoute)
    body_model = prediction_request(definitions)
    examples: Any = {
        "stored": {"summary": "By its stored features", "value": {"transaction_id": "12345"}},
        "what if": {
            "summary": "With some features replaced",
            "value": {"transaction_id": "12345", "overrides": example_overrides(definitions)},
        },
    }

    @router.post("/predict", response_model=PredictionAnswer, responses=_REFUSALS | _UNKNOWN)
    async def predict(
        request: Request,
        body: body_model = Body(openapi_examples=examples),  # type: ignore[valid-type]  # noqa: B008
    ) -> Response:
        """Judge one transaction by its stored features, or by what it would be with others."""
        asked: Any = body
        judged = await predictor.judge([asked.transaction_id], asked.overrides.values(), arrived(request))
        outcome = judged.outcomes[0]
        if isinstance(outcome, PocError):
            raise outcome
        return _json(prediction_answer(outcome, judged, source))

    @router.post("/predict/batch", response_model=BatchAnswer, responses=_REFUSALS)
    async def predict_batch(request: Request, body: BatchRequest) -> Response:
        """Judge up to 100 transactions. One that cannot be judged does not keep the others from it."""
        judged = await predictor.judge(body.transaction_ids, {}, arrived(request))
        return _json(batch_answer(body.transaction_ids, judged, source))

    return router


def state_router(model: "Kept[Scorer]", metrics: Metrics) -> APIRouter:
    """Make the routes that tell by which model predictions are made, and how they go."""
    router = APIRouter(tags=["state"])

    @router.get("/model", response_model=ModelAnswer, responses={503: {"model": Problem}})
    def served_model() -> Response:
        """Tell which version of which model judges, from which probability on, and by what."""
        scorer = model.get()
        return _json(
            ModelAnswer(
                name=scorer.name, version=scorer.version, threshold=scorer.threshold, inputs=scorer.inputs
            )
        )

    @router.get("/metrics", response_class=Response)
    def prometheus() -> Response:
        """Give the metrics in Prometheus's text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router


def _json(answer: Answer) -> Response:
    # Written by pydantic at once: FastAPI would check and convert the finished answer again.
    return Response(answer.model_dump_json(), media_type="application/json")
