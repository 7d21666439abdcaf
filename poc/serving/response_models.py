"""What the server answers with: the bodies, the models that document them, and the OpenAPI document."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import to_json

from poc.definitions import ServedFeatures
from poc.errors import PocError
from poc.retrieval.source import EntityKey
from poc.serving.prediction import Judged, Judgement
from poc.serving.problems import MEDIA_TYPE, Problem, problem_of
from poc.serving.request_models import (
    CurrentRequests,
    RequestModels,
    example_keys,
    example_overrides,
    key_model,
)
from poc.serving.tensors import InferenceRequest

JSON = "application/json"
SCHEMAS = "#/components/schemas/"
PROBLEMS = tuple({"$ref": f"{SCHEMAS}{name}"} for name in ("Problem", "InvalidRequest"))
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
REFUSALS = {401: "No known API key.", 429: "More requests a second than one client may make."}


class ResponseModel(BaseModel):
    """A body of an answer. Fields may be called model_..., which pydantic reserves otherwise."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), ser_json_bytes="base64")


class ModelName(ResponseModel):
    """The model that judged."""

    name: str
    version: str


class Latency(ResponseModel):
    """Where the time went, in milliseconds."""

    features: float = Field(description="Reading the features, ms.")
    model: float = Field(description="Scoring them, ms.")


class Prediction(ResponseModel):
    """What the model says of one transaction. The join keys come first."""

    fraud_probability: float = Field(description="0 to 1.")
    is_fraud: bool = Field(description="Whether the probability reaches the threshold.")
    features: dict[str, Any] = Field(description="What it was judged by; null where nothing is known.")
    overridden: list[str] = Field(description="The features that the request gave.")
    event_timestamp: datetime = Field(description="When the stored features were true, UTC.")
    stale: bool = Field(description="Whether they are older than the feature view's ttl.")
    age_seconds: float = Field(description="How old they are.")


# A `Judgement` has what the model documents.
_FIELDS = tuple(Prediction.model_fields)
_fields_of = attrgetter(*_FIELDS)


class Judging(ResponseModel):
    """What a request was judged by."""

    threshold: float = Field(description="Probability from which a transaction counts as fraud.")
    model: ModelName
    source: str = Field(description="How the features were read: feast or direct.")
    latency_ms: Latency


class NoPrediction(ResponseModel):
    """A transaction of a batch that could not be judged. The join keys come first."""

    error: Problem = Field(description="Why: what /predict would have answered.")


class ModelResponse(ModelName):
    """The answer to /model."""

    threshold: float = Field(description="Probability from which a transaction counts as fraud.")
    inputs: tuple[str, ...] = Field(description="The features it judges by, in its order.")


class Component(ResponseModel):
    """One thing that predictions need."""

    name: str
    ready: bool
    detail: str | None = Field(None, description="What is wrong.")
    way_out: str | None = Field(None, description="What to do about it.")


class HealthResponse(ResponseModel):
    """The answer to /health."""

    status: str = Field(description="ready, not_ready or shutting_down.")
    source: str
    components: tuple[Component, ...]


class StatusResponse(ResponseModel):
    """The answer to /live, and to /ready when it is."""

    status: str


def prediction_models(served: ServedFeatures) -> tuple[type[ResponseModel], type[ResponseModel]]:
    """Make the models of the answers to /predict and /predict/batch, whose keys are those of `served`."""
    make: Any = create_model
    keys = key_model(served.join_keys, "EntityKeys", ResponseModel)
    one = make("PredictionAnswer", __base__=(Judging, Prediction, keys), __doc__="The answer to /predict.")
    item = make("Prediction", __base__=(Prediction, keys), __doc__=Prediction.__doc__)
    none = make("NoPrediction", __base__=(NoPrediction, keys), __doc__=NoPrediction.__doc__)
    rows: Any = list
    meaning = "The answer to /predict/batch: one entry for each that was asked for, in order."
    several = make("BatchAnswer", __base__=Judging, __doc__=meaning, predictions=(rows[item | none], ...))
    return one, several


def prediction_response(judgement: Judgement, judged: Judged, source: str) -> dict[str, Any]:
    """Word the answer to /predict."""
    return _prediction(judged.key_names, judgement) | _judging(judged, source)


def batch_response(keys: Sequence[EntityKey], judged: Judged, source: str) -> dict[str, Any]:
    """Word the answer to /predict/batch."""
    names = judged.key_names
    predictions = [
        dict(zip(names, key, strict=True)) | {"error": problem_of(outcome).model_dump()}
        if isinstance(outcome, PocError)
        else _prediction(names, outcome)
        for key, outcome in zip(keys, judged.outcomes, strict=True)
    ]
    return {"predictions": predictions, **_judging(judged, source)}


def json_response(answer: Any) -> Response:
    """Answer with `answer`. Written by pydantic at once: FastAPI would convert the finished answer again."""
    content = to_json(answer, bytes_mode="base64", inf_nan_mode="null")
    return Response(content, media_type="application/json")


def _prediction(key_names: Sequence[str], judgement: Judgement) -> dict[str, Any]:
    said = dict(zip(key_names, judgement.key, strict=True))
    said.update(zip(_FIELDS, _fields_of(judgement), strict=True))
    return said


def _judging(judged: Judged, source: str) -> dict[str, Any]:
    scorer = judged.model
    return {
        "threshold": scorer.threshold,
        "model": {"name": scorer.name, "version": scorer.version},
        "source": source,
        "latency_ms": {"features": round(judged.features_ms, 3), "model": round(judged.model_ms, 3)},
    }


def document(
    app: FastAPI, current: CurrentRequests, refusals: Collection[int], *, open_paths: Collection[str]
) -> None:
    """Let `app` document itself by what is served when it is asked for its document.

    Args:
        refusals: of `REFUSALS`, those that requests meet before anything looks at them.
        open_paths: those that never meet them.
    """

    @lru_cache(maxsize=1)
    def made(request_models: RequestModels) -> dict[str, Any]:
        found = _document(app, request_models)
        if 401 in refusals:
            found["components"]["securitySchemes"] = SCHEMES
        for path in found["paths"].keys() - open_paths:
            if f"{path}/".startswith("/v2/"):
                content = _content({"$ref": f"{SCHEMAS}InferenceError"})
            else:
                content = _content(PROBLEMS[0], MEDIA_TYPE)
            answers = {str(one): {"description": REFUSALS[one], "content": content} for one in refusals}
            for operation in found["paths"][path].values():
                operation["responses"].update(answers)
                if 401 in refusals:
                    operation["security"] = [{name: []} for name in SCHEMES]
        return found

    app.openapi = lambda: made(current.models())  # type: ignore[method-assign]


def _document(app: FastAPI, request_models: RequestModels) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    one, several = prediction_models(request_models.served)
    bodies = {"/predict": (request_models.prediction, one), "/predict/batch": (request_models.batch, several)}
    taken: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *(
            (model, "validation")
            for model in (request_models.prediction, request_models.batch, InferenceRequest)
        ),
        *((model, "serialization") for model in (one, several)),
    ]
    references, definitions = models_json_schema(taken, ref_template=f"{SCHEMAS}{{model}}")
    found.setdefault("components", {}).setdefault("schemas", {}).update(definitions.get("$defs", {}))
    for path, operations in found["paths"].items():
        for operation in operations.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                # A problem comes as one.
                if content.get(JSON, {}).get("schema") in PROBLEMS:
                    content[MEDIA_TYPE] = content.pop(JSON)
            body, answer = bodies.get(path, (InferenceRequest if path.endswith("/infer") else None, None))
            if body is not None:
                content = _content(references[body, "validation"])
                operation["requestBody"] = {"required": True, "content": content}
            if answer is not None:
                operation["responses"]["200"]["content"] = _content(references[answer, "serialization"])
    keys = example_keys(request_models.served)
    what_if = {**keys, "overrides": example_overrides(request_models.served)}
    found["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]["examples"] = {
        "stored": {"summary": "By its stored features", "value": keys},
        "what if": {"summary": "With some features replaced", "value": what_if},
    }
    return found


def _content(schema: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    return {media_type: {"schema": schema}}
