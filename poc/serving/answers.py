"""What the server answers with: the bodies, and the models that document them."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_json

from poc.definitions import ServedFeatures
from poc.errors import PocError
from poc.retrieval.source import EntityKey
from poc.serving.prediction import Judged, Judgement
from poc.serving.problems import Problem, problem_of
from poc.serving.questions import key_model


class Answer(BaseModel):
    """A body of an answer. Fields may be called model_..., which pydantic reserves otherwise."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), ser_json_bytes="base64")


class ModelName(Answer):
    """The model that judged."""

    name: str
    version: str


class Latency(Answer):
    """Where the time went, in milliseconds."""

    features: float = Field(description="Reading the features, ms.")
    model: float = Field(description="Scoring them, ms.")


class Prediction(Answer):
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


class Judging(Answer):
    """What a request was judged by."""

    threshold: float = Field(description="Probability from which a transaction counts as fraud.")
    model: ModelName
    source: str = Field(description="How the features were read: feast or direct.")
    latency_ms: Latency


class NoPrediction(Answer):
    """A transaction of a batch that could not be judged. The join keys come first."""

    error: Problem = Field(description="Why: what /predict would have answered.")


class ModelAnswer(ModelName):
    """The answer to /model."""

    threshold: float = Field(description="Probability from which a transaction counts as fraud.")
    inputs: tuple[str, ...] = Field(description="The features it judges by, in its order.")


class Component(Answer):
    """One thing that predictions need."""

    name: str
    ready: bool
    detail: str | None = Field(None, description="What is wrong.")
    way_out: str | None = Field(None, description="What to do about it.")


class HealthAnswer(Answer):
    """The answer to /health."""

    status: str = Field(description="ready, not_ready or shutting_down.")
    source: str
    components: tuple[Component, ...]


class StatusAnswer(Answer):
    """The answer to /live, and to /ready when it is."""

    status: str


def prediction_models(served: ServedFeatures) -> tuple[type[Answer], type[Answer]]:
    """Make the models of the answers to /predict and /predict/batch, whose keys are those of `served`."""
    make: Any = create_model
    keys = key_model(served.join_keys, "EntityKeys", Answer)
    one = make("PredictionAnswer", __base__=(Judging, Prediction, keys), __doc__="The answer to /predict.")
    item = make("Prediction", __base__=(Prediction, keys), __doc__=Prediction.__doc__)
    none = make("NoPrediction", __base__=(NoPrediction, keys), __doc__=NoPrediction.__doc__)
    rows: Any = list
    meaning = "The answer to /predict/batch: one entry for each that was asked for, in order."
    several = make("BatchAnswer", __base__=Judging, __doc__=meaning, predictions=(rows[item | none], ...))
    return one, several


def prediction_answer(judgement: Judgement, judged: Judged, source: str) -> dict[str, Any]:
    """Word the answer to /predict."""
    return _prediction(judged.key_names, judgement) | _judging(judged, source)


def batch_answer(keys: Sequence[EntityKey], judged: Judged, source: str) -> dict[str, Any]:
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
