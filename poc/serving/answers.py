"""What the server answers with."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from poc.errors import PocError
from poc.serving.prediction import Judged, Judgement
from poc.serving.problems import Problem, problem_of


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
    """What the model says of one transaction."""

    transaction_id: str
    fraud_probability: float = Field(description="0 to 1.")
    is_fraud: bool = Field(description="Whether the probability reaches the threshold.")
    features: dict[str, Any] = Field(description="What it was judged by; null where nothing is known.")
    overridden: tuple[str, ...] = Field(description="The features that the request gave.")
    event_timestamp: datetime = Field(description="When the stored features were true, UTC.")
    stale: bool = Field(description="Whether they are older than the feature view's ttl.")
    age_seconds: float = Field(description="How old they are.")


class PredictionAnswer(Prediction):
    """The answer to /predict."""

    threshold: float = Field(description="Probability from which a transaction counts as fraud.")
    model: ModelName
    source: str = Field(description="How the features were read: feast or direct.")
    latency_ms: Latency


class NoPrediction(Answer):
    """A transaction of a batch that could not be judged."""

    transaction_id: str
    error: Problem = Field(description="Why: what /predict would have answered.")


class BatchAnswer(Answer):
    """The answer to /predict/batch: one entry for each id that was asked for, in order."""

    predictions: list[Prediction | NoPrediction]
    threshold: float = Field(description="Probability from which a transaction counts as fraud.")
    model: ModelName
    source: str = Field(description="How the features were read: feast or direct.")
    latency_ms: Latency


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


def prediction_answer(judgement: Judgement, judged: Judged, source: str) -> PredictionAnswer:
    """Word the answer to /predict."""
    return PredictionAnswer(
        **_prediction(judgement),
        threshold=judged.model.threshold,
        model=ModelName(name=judged.model.name, version=judged.model.version),
        source=source,
        latency_ms=_latency(judged),
    )


def batch_answer(transaction_ids: list[str], judged: Judged, source: str) -> BatchAnswer:
    """Word the answer to /predict/batch."""
    return BatchAnswer(
        predictions=[
            NoPrediction(transaction_id=transaction_id, error=problem_of(outcome))
            if isinstance(outcome, PocError)
            else Prediction(**_prediction(outcome))
            for transaction_id, outcome in zip(transaction_ids, judged.outcomes, strict=True)
        ],
        threshold=judged.model.threshold,
        model=ModelName(name=judged.model.name, version=judged.model.version),
        source=source,
        latency_ms=_latency(judged),
    )


def _prediction(judgement: Judgement) -> dict[str, Any]:
    return {name: getattr(judgement, name) for name in Prediction.model_fields}


def _latency(judged: Judged) -> Latency:
    return Latency(features=round(judged.features_ms, 3), model=round(judged.model_ms, 3))
