"""Errors as HTTP answers: one table from this project's errors to RFC 9457 problem details."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field
from starlette.responses import Response

from poc import errors

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem.

    Attributes:
        status: of the answer.
        slug: what identifies it; its type is `/problems/<slug>`.
        title: what it is, in a few words, the same each time.
        outcome: the label that predictions are counted by.
        retry_after_seconds: when asking again makes sense; None where that does not help.
    """

    status: int
    slug: str
    title: str
    outcome: str
    retry_after_seconds: int | None = None


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
    """Give the kinds of problems that have a page of their own, by slug."""
    return {kind.slug: kind for kind in (*_TYPES.values(), INVALID_REQUEST, INTERNAL)}


def problem(kind: ProblemType, detail: str, way_out: str) -> Problem:
    """Describe one occurrence of `kind`."""
    return Problem(
        type=f"/problems/{kind.slug}", title=kind.title, status=kind.status, detail=detail, way_out=way_out
    )


def problem_of(error: errors.PocError) -> Problem:
    """Describe `error` as a problem."""
    return problem(problem_type(error), error.what, error.way_out)


def problem_response(body: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with `body`. Written in ASCII, so that no request's text can make it fail."""
    content = json.dumps(body.model_dump())
    return Response(content, status_code=body.status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def error_response(error: errors.PocError) -> Response:
    """Answer with `error`, and with when to ask again where that helps."""
    return problem_response(problem_of(error), retry_headers(error))


def retry_headers(error: errors.PocError) -> dict[str, str]:
    """Give the header that tells when to ask again, where that helps."""
    seconds = problem_type(error).retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}


def inference_error(
    body: Problem, headers: Mapping[str, str] | None = None, more: Mapping[str, object] | None = None
) -> Response:
    """Answer with `body` as the Open Inference Protocol has errors: one text, and `more` beside it."""
    content = json.dumps({**(more or {}), "error": f"{body.detail}\n{body.way_out}"})
    return Response(
        content, status_code=body.status, media_type="application/json", headers=dict(headers or {})
    )
