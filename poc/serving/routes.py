"""The routes that predict, and those that tell by what; how a request's body comes in."""

import re
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ValidationError
from starlette.responses import PlainTextResponse

from poc.errors import PocError
from poc.serving.answers import ModelAnswer, batch_answer, json_response, prediction_answer
from poc.serving.encodings import require_plain
from poc.serving.kept import Kept
from poc.serving.metrics import Metrics
from poc.serving.prediction import Predictor
from poc.serving.problems import InvalidRequest, Problem
from poc.serving.questions import Asked

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

# 100 ids of 256 characters, each written as a pair of \uXXXX, and what is around them.
MAX_BODY_BYTES = 512 * 1024

USE_JSON = "Send JSON: curl -H 'content-type: application/json' -d '{\"transaction_id\": \"12345\"}' ..."

JSON_OF_A_KIND = re.compile(r"application/.*\+json", re.DOTALL)
Body = TypeVar("Body", bound=BaseModel)
_REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "The body is larger than any that fits."},
    415: {"model": Problem, "description": "The body is compressed, or not JSON by its content type."},
    422: {"model": InvalidRequest, "description": "The request does not fit; `errors` names the fields."},
    503: {"model": Problem, "description": "No prediction can be made now; `way_out` says what to do."},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown transaction."}}


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


async def read_body(request: Request, model: type[Body]) -> Body:
    """Read the body of `request`, by pydantic at once: no dictionary is made of it first.

    Raises:
        HTTPException: it is no JSON by its content type, encoded, or larger than a valid one can be.
        RequestValidationError: it does not fit `model`.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not JSON_OF_A_KIND.fullmatch(media_type):
        raise HTTPException(415, f"The body's content type is {media_type or 'not given'}. {USE_JSON}")
    content = await bounded_body(request)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None


async def bounded_body(request: Request) -> bytes:
    """Read the body of `request`; raise an `HTTPException` if it is encoded, or larger than any valid one."""
    require_plain(request.headers)
    content, size = b"", read_size(request.headers.get("content-length", "")) or 0
    if size <= MAX_BODY_BYTES:
        async for part in request.stream():
            content += part
            size = len(content)
            if size > MAX_BODY_BYTES:
                break
    if size > MAX_BODY_BYTES:
        raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
    return content


def read_size(text: str) -> int | None:
    """Read a number of bytes, of any number of digits; None where `text` is none."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    # Python refuses to read some thousand digits; from here on all are alike.
    return int(digits[:18]) if len(digits) <= 18 else 10**18


def prediction_router(predictor: Predictor, asked: Asked, source: str) -> APIRouter:
    """Make the routes that judge transactions. `poc.serving.answers` documents their bodies."""
    router = APIRouter(tags=["predictions"], route_class=PlainRoute)

    @router.post("/predict", responses=_REFUSALS | _UNKNOWN)
    async def predict(request: Request) -> Response:
        """Judge one transaction by its stored features, or by what it would be with others."""
        body = await read_body(request, asked.questions().prediction)
        judged = await predictor.judge([body.key()], body.overrides.values(), request.state.arrived)
        outcome = judged.outcomes[0]
        if isinstance(outcome, PocError):
            raise outcome
        return json_response(prediction_answer(outcome, judged, source))

    @router.post("/predict/batch", responses=_REFUSALS)
    async def predict_batch(request: Request) -> Response:
        """Judge up to 100 transactions. One that cannot be judged does not keep the others from it."""
        keys = (await read_body(request, asked.questions().batch)).keys()
        judged = await predictor.judge(keys, {}, request.state.arrived)
        return json_response(batch_answer(keys, judged, source))

    return router


def state_router(model: "Kept[Scorer]", metrics: Metrics) -> APIRouter:
    """Make the routes that tell by which model predictions are made, and how they go."""
    router = APIRouter(tags=["state"])

    @router.get(
        "/model",
        response_model=ModelAnswer,
        responses={503: {"model": Problem, "description": "There is no model now."}},
    )
    def served_model() -> Response:
        """Tell which version of which model judges, from which probability on, and by what."""
        scorer = model.get()
        return json_response({name: getattr(scorer, name) for name in ModelAnswer.model_fields})

    @router.get("/metrics", response_class=PlainTextResponse)
    def prometheus() -> Response:
        """Return the metrics in Prometheus's text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
