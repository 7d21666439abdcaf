"""What a model says about itself.

The facts travel inside the ONNX file, as its metadata: whoever has the file has the threshold, the
order of the inputs and the categories that belong to it, and cannot pair it with those of another.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

# The one fact that a model may leave out.
_TYPICAL = "typical"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model once it is trained.

    Attributes:
        inputs: names of the features it takes, sorted by name.
        categories: for each input that is a string, the values it knows. Any other value, and null,
            is an unknown category: none of these.
        threshold: fraud probability from which (inclusive) a transaction counts as fraud.
        metrics: measured on the test part, by name.
        typical: for each input, the value of a typical transaction, by `poc.model.inputs`; None for a model
            that was trained before this was kept.
    """

    inputs: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    threshold: float
    label: str
    feature_service: str
    missed_fraud_cost: float
    false_alarm_cost: float
    trained_at: datetime
    metrics: Mapping[str, float]
    typical: Mapping[str, float | str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard(ModelFacts):
    """The facts of a model, and where it is registered.

    Attributes:
        alias: the alias it was found by; None when it was asked for by version.
        run_id: the MLflow run that made it; None if the registry does not say.
    """

    name: str
    version: str
    alias: str | None
    run_id: str | None


def to_metadata(facts: ModelFacts) -> dict[str, str]:
    """Write `facts` as the metadata properties of an ONNX file: each a JSON value."""
    stated = asdict(facts) | {"trained_at": facts.trained_at.isoformat()}
    return {name: json.dumps(value) for name, value in stated.items() if value is not None}


def from_metadata(properties: Mapping[str, str]) -> ModelFacts:
    """Read what `to_metadata` wrote; properties that it does not write are ignored.

    Raises ValueError: a fact is missing, or not what it should be; the message names it.
    """
    try:
        stated = [name for name in ModelFacts.__dataclass_fields__ if name != _TYPICAL or name in properties]
        read = {name: json.loads(properties[name]) for name in stated}
        inputs = tuple(map(str, read["inputs"]))
        return ModelFacts(
            inputs=inputs,
            categories={name: tuple(map(str, values)) for name, values in read["categories"].items()},
            threshold=float(read["threshold"]),
            label=str(read["label"]),
            feature_service=str(read["feature_service"]),
            missed_fraud_cost=float(read["missed_fraud_cost"]),
            false_alarm_cost=float(read["false_alarm_cost"]),
            trained_at=datetime.fromisoformat(read["trained_at"]).astimezone(timezone.utc),
            metrics={name: float(value) for name, value in read["metrics"].items()},
            typical={name: read[_TYPICAL][name] for name in inputs} if _TYPICAL in read else None,
        )
    except KeyError as error:
        raise ValueError(f"its file does not state {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"its file states its facts wrongly: {error}") from None


def registered(
    facts: ModelFacts, *, name: str, version: str, alias: str | None, run_id: str | None
) -> ModelCard:
    """Return the card of a model with these `facts`, registered there."""
    known = {field: getattr(facts, field) for field in ModelFacts.__dataclass_fields__}
    return ModelCard(name=name, version=version, alias=alias, run_id=run_id, **known)
