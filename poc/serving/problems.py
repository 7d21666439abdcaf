"""Errors as HTTP answers, each with a way out: one table from this project's to RFC 9457 problem details."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from poc import errors

SEE_DOCS = "/docs shows every request with examples."
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem, `/problems/<slug>`: predictions are counted by its outcome.

    `retry_after_seconds` is when asking again makes sense; None where that does not help.
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
_REFUSED = ProblemType(503, "cassandra-refuses", "Cassandra does not let the server do that", "unavailable")

_TYPES: dict[type[Exception], ProblemType] = {
    errors.UnknownEntity: ProblemType(
        404, "unknown-transaction", "Unknown transaction", "unknown_transaction"
    ),
    errors.CassandraUnavailable: ProblemType(
        503, "cassandra-unavailable", "Cassandra is out of reach", "unavailable", 1
    ),
    errors.RoleLacksRight: _REFUSED,
    errors.RefusedByGuardrail: _REFUSED,
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
    errors.ModelNotOurs: ProblemType(503, "model-unusable", "The model cannot be used", "no_model"),
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
    return Response(json.dumps(body.model_dump()), body.status, headers, MEDIA_TYPE)


def retry_headers(kind: ProblemType) -> dict[str, str]:
    """Return the header that tells when to ask again, where that helps."""
    seconds = kind.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}


def inference_error(
    body: Problem, headers: Mapping[str, str] | None = None, more: Mapping[str, object] | None = None
) -> Response:
    """Answer with `body` as the Open Inference Protocol has errors: one text, and `more` beside it."""
    content = json.dumps({**(more or {}), "error": f"{body.detail}\n{body.way_out}"})
    return Response(content, body.status, headers, "application/json")


def respond(
    request: Request, kind: ProblemType, detail: str, way_out: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer `request` with a problem, in the form of the protocol that it came by."""
    write = inference_error if _path(request).startswith("/v2/") else problem_response
    return write(problem(kind, detail, way_out), retry_headers(kind) | dict(headers or {}))


def answer_error(request: Request, error: errors.PocError) -> Response:
    """Answer `request` with `error`, as `respond` does."""
    return respond(request, problem_type(error), error.what, error.way_out)


def asks_for_prediction(request: Request) -> bool:
    """Return whether `request` asks for predictions, by either protocol."""
    path = _path(request)
    return path.startswith("/predict") or (path.startswith("/v2/") and path.endswith("/infer/"))


def _path(request: Request) -> str:
    """Return the path of `request` without the prefix of a proxy, and with a slash at its end."""
    return str(request.scope["path"]).removeprefix(request.scope.get("root_path", "")) + "/"


def invalid_request(fields: Sequence[FieldError]) -> Response:
    """Refuse a request for what is wrong with `fields`."""
    body = problem(INVALID_REQUEST, worded(fields), SEE_DOCS)
    return problem_response(InvalidRequest(**body.model_dump(), errors=list(fields)))


def worded(fields: Sequence[FieldError]) -> str:
    """Say in a sentence what is wrong with the first of `fields`."""
    return "; ".join(f"{item.field}: {item.message}" for item in fields[:3])


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
