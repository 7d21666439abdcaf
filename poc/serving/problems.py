"""Errors as HTTP answers, each with a way out: one table from this project's to RFC 9457 problem details."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from poc import errors
from poc.serving.headers import HEADERS

if TYPE_CHECKING:
    from poc.serving.metrics import Metrics
    from poc.serving.questions import Asked

log = logging.getLogger(__name__)

SEE_DOCS = "/docs shows every request with examples."
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem.

    Attributes:
        slug: what identifies it; its type is `/problems/<slug>`.
        outcome: the label that predictions are counted by.
        retry_after_seconds: when asking again makes sense; None where that does not help.
    """

    status: int
    slug: str
    title: str
    outcome: str
    retry_after_seconds: int | None = None


NEEDS_KEY = ProblemType(401, "key-missing", "An API key is needed", "invalid")
TOO_MANY = ProblemType(429, "too-many-requests", "Too many requests", "invalid", 1)
INVALID_REQUEST = ProblemType(422, "invalid-request", "The request does not fit", "invalid")
INTERNAL = ProblemType(500, "internal-error", "Something failed that should not", "error")

_TYPES: dict[type[Exception], ProblemType] = {
    errors.UnknownEntity: ProblemType(
        404, "unknown-transaction", "Unknown transaction", "unknown_transaction"
    ),
    errors.CassandraUnavailable: ProblemType(
        503, "cassandra-unavailable", "Cassandra is out of reach", "unavailable", 1
    ),
    errors.FeatureServerUnavailable: ProblemType(
        503, "feature-server-unavailable", "The feature server is out of reach", "unavailable", 1
    ),
    errors.FeatureServerFailed: ProblemType(
        503, "feature-server-failed", "The feature server failed", "unavailable", 1
    ),
    errors.StillOpening: ProblemType(503, "starting", "The server is starting", "unavailable", 1),
    errors.OpeningFailed: ProblemType(503, "not-ready", "The server is not ready", "unavailable", 1),
    errors.Overloaded: ProblemType(503, "overloaded", "The server has too much to do", "overloaded", 1),
    errors.RaceUnderWay: ProblemType(409, "race-under-way", "Another race is under way", "unavailable", 1),
    errors.ShuttingDown: ProblemType(503, "shutting-down", "The server is stopping", "unavailable", 1),
    errors.FeaturesNotApplied: ProblemType(
        503, "features-not-applied", "The features were never applied", "not_applied"
    ),
    errors.FeaturesNotMaterialized: ProblemType(
        503, "features-not-materialized", "The features were never materialized", "not_materialized"
    ),
    errors.FeaturesOutdated: ProblemType(
        503, "features-outdated", "The stored features do not fit their definitions", "outdated"
    ),
    errors.ValueOutOfBounds: ProblemType(
        503, "value-out-of-bounds", "A stored value is outside its bounds", "out_of_bounds"
    ),
    errors.StaleFeatures: ProblemType(503, "stale-features", "The features are too old", "stale"),
    errors.ModelMismatch: ProblemType(503, "model-mismatch", "The model does not fit", "no_model"),
    errors.ModelNotFound: ProblemType(503, "no-model", "There is no model", "no_model"),
    errors.ModelUnusable: ProblemType(503, "model-unusable", "The model cannot be used", "no_model"),
    errors.ModelRegistryUnavailable: ProblemType(
        503, "model-registry-unavailable", "The model registry is out of reach", "no_model", 1
    ),
    # Anything else that has a way out is a state of the server's surroundings, not of the request.
    errors.PocError: ProblemType(503, "not-ready", "The server is not ready", "unavailable"),
}


class FieldError(BaseModel):
    """What is wrong with one part of a request."""

    field: str = Field(description="Where it is, for example `overrides.amount`.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An RFC 9457 problem, with what to do about it."""

    type: str = Field(description="Identifies the kind of problem.")
    title: str = Field(description="The kind of problem, in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened.")
    way_out: str = Field(description="What to do about it, with the command where there is one.")


class InvalidRequest(Problem):
    """A problem with the request itself."""

    errors: list[FieldError] = Field(description="Which fields.")


def problem_type(error: Exception) -> ProblemType:
    """Look up the kind of problem that `error` is, by its nearest listed class."""
    return next((_TYPES[kind] for kind in type(error).__mro__ if kind in _TYPES), INTERNAL)


def listed_problem_types() -> dict[str, ProblemType]:
    """Return the kinds of problems that have a page of their own, by slug."""
    return {kind.slug: kind for kind in (*_TYPES.values(), NEEDS_KEY, TOO_MANY, INVALID_REQUEST, INTERNAL)}


def problem(kind: ProblemType, detail: str, way_out: str) -> Problem:
    """Describe one occurrence of `kind`."""
    url = f"/problems/{kind.slug}"
    return Problem(type=url, title=kind.title, status=kind.status, detail=detail, way_out=way_out)


def problem_of(error: errors.PocError) -> Problem:
    """Describe `error` as a problem."""
    return problem(problem_type(error), error.what, error.way_out)


def problem_response(body: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with `body`. Written in ASCII, so that no request's text can make it fail."""
    return Response(json.dumps(body.model_dump()), body.status, dict(headers or {}), MEDIA_TYPE)


def error_response(error: errors.PocError) -> Response:
    """Answer with `error`, and with when to ask again where that helps."""
    return problem_response(problem_of(error), retry_headers(problem_type(error)))


def retry_headers(kind: ProblemType) -> dict[str, str]:
    """Return the header that tells when to ask again, where that helps."""
    seconds = kind.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}


def inference_error(
    body: Problem, headers: Mapping[str, str] | None = None, more: Mapping[str, object] | None = None
) -> Response:
    """Answer with `body` as the Open Inference Protocol has errors: one text, and `more` beside it."""
    content = json.dumps({**(more or {}), "error": f"{body.detail}\n{body.way_out}"})
    return Response(content, body.status, dict(headers or {}), "application/json")


def install_handlers(app: FastAPI, asked: "Asked", metrics: "Metrics") -> None:
    """Make `app` answer every error with a problem; refused prediction requests are counted."""

    def count_refused(request: Request) -> None:
        if asks_for_prediction(request):
            metrics.count(INVALID_REQUEST.outcome)

    @app.exception_handler(errors.PocError)
    async def known(request: Request, error: errors.PocError) -> Response:
        return answer_error(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        count_refused(request)
        return invalid_request(field_errors(error.errors(), asked.served.names))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        count_refused(request)
        phrase = HTTPStatus(error.status_code).phrase
        kind = ProblemType(
            error.status_code, phrase.lower().replace(" ", "-"), phrase, INVALID_REQUEST.outcome
        )
        detail = f"{request.method} {request.url.path}" if error.detail == phrase else str(error.detail)
        return respond(request, problem(kind, detail, SEE_DOCS), error.headers)

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # Nobody reads it.

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        said = "The server failed on this request", "Its log has the traceback."
        # It is written outside of what adds them to all other answers.
        headers = {name.decode(): value.decode() for name, value in HEADERS.items()}
        return respond(request, problem(INTERNAL, *said), headers)


def respond(request: Request, body: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `request` with `body`, in the form of the protocol that it came by."""
    if by_inference_protocol(request):
        return inference_error(body, headers)
    return problem_response(body, headers)


def answer_error(request: Request, error: errors.PocError) -> Response:
    """Answer `request` with `error`, as `respond` does, and with when to ask again where that helps."""
    return respond(request, problem_of(error), retry_headers(problem_type(error)))


def asks_for_prediction(request: Request) -> bool:
    """Return whether `request` asks for predictions, by either protocol."""
    path = _path(request)
    return path.startswith("/predict") or (by_inference_protocol(request) and path.endswith("/infer"))


def by_inference_protocol(request: Request) -> bool:
    """Return whether `request` came by the Open Inference Protocol."""
    return f"{_path(request)}/".startswith("/v2/")


def _path(request: Request) -> str:
    """Return the path of `request` without the prefix that a proxy stands for."""
    return str(request.scope["path"]).removeprefix(request.scope.get("root_path", ""))


def invalid_request(fields: Sequence[FieldError]) -> Response:
    """Refuse a request for what is wrong with `fields`; the detail names the first of them."""
    detail = "; ".join(f"{item.field}: {item.message}" for item in fields[:3])
    body = problem(INVALID_REQUEST, detail, SEE_DOCS)
    return problem_response(InvalidRequest(**body.model_dump(), errors=list(fields)))


def field_errors(found: Sequence[Mapping[str, Any]], features: Sequence[str]) -> list[FieldError]:
    """Word pydantic's errors: which field, and what is wrong with it. What was sent is not repeated."""
    return [
        FieldError(field=".".join(map(str, item["loc"])) or "body", message=_message(item, features))
        for item in found
    ]


def _message(item: Mapping[str, Any], features: Sequence[str]) -> str:
    if item["type"] == "json_invalid":
        return f"is not JSON: {item['ctx']['error']}"
    if item["type"] == "extra_forbidden" and "overrides" in item["loc"]:
        return f"Not a feature that can be overridden; these can: {', '.join(features)}"
    return str(item["msg"])
