"""Where exceptions become answers, each a problem with a way out."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from poc.errors import PocError
from poc.serving.asked import Asked
from poc.serving.metrics import INVALID, Metrics
from poc.serving.problems import (
    INTERNAL,
    INVALID_REQUEST,
    FieldError,
    InvalidRequest,
    Problem,
    ProblemType,
    inference_error,
    problem,
    problem_of,
    problem_response,
    retry_headers,
)

log = logging.getLogger(__name__)

SEE_DOCS = "/docs shows every request with examples."


def install_handlers(app: FastAPI, asked: Asked, metrics: Metrics) -> None:
    """Make `app` answer every error with a problem; refused prediction requests are counted."""

    def count_refused(request: Request) -> None:
        path = request.url.path
        if path.startswith("/predict") or (by_inference_protocol(request) and path.endswith("/infer")):
            metrics.count(INVALID)

    @app.exception_handler(PocError)
    async def known(request: Request, error: PocError) -> Response:
        return respond(request, problem_of(error), retry_headers(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        count_refused(request)
        return invalid_request(field_errors(error.errors(), asked.served.names))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        count_refused(request)
        phrase = HTTPStatus(error.status_code).phrase
        kind = ProblemType(error.status_code, phrase.lower().replace(" ", "-"), phrase, INVALID)
        detail = f"{request.method} {request.url.path}" if error.detail == phrase else str(error.detail)
        return respond(request, problem(kind, detail, SEE_DOCS), error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        body = problem(INTERNAL, "The server failed on this request", "Its log has the traceback.")
        return respond(request, body)


def respond(request: Request, body: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `request` with `body`, in the form of the protocol that it came by."""
    if by_inference_protocol(request):
        return inference_error(body, headers)
    return problem_response(body, headers)


def by_inference_protocol(request: Request) -> bool:
    """Tell whether `request` came by the Open Inference Protocol."""
    return f"{request.url.path}/".startswith("/v2/")


def invalid_request(fields: Sequence[FieldError]) -> Response:
    """Refuse a request for what is wrong with `fields`; the detail names the first of them."""
    detail = "; ".join(f"{item.field}: {item.message}" for item in fields[:3])
    body = problem(INVALID_REQUEST, detail, SEE_DOCS)
    return problem_response(InvalidRequest(**body.model_dump(), errors=list(fields)))


def field_errors(found: Sequence[Mapping[str, Any]], features: Sequence[str]) -> list[FieldError]:
    """Word pydantic's errors: which field, and what is wrong with it. What was sent is not repeated."""
    return [FieldError(field=_field(item), message=_message(item, features)) for item in found]


def _field(item: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in item["loc"]) if item["loc"] else "body"


def _message(item: Mapping[str, Any], features: Sequence[str]) -> str:
    if item["type"] == "json_invalid":
        return f"is not JSON: {item['ctx']['error']}"
    if item["type"] == "extra_forbidden" and "overrides" in item["loc"]:
        return f"Not a feature that can be overridden; these can: {', '.join(features)}"
    return str(item["msg"])
