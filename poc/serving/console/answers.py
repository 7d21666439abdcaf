"""What the page asks, and what it is answered."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from poc.dataset.limits import read_limits
from poc.definitions import Feature, JoinKey
from poc.errors import NotExplainable
from poc.retrieval.source import python_type
from poc.serving.console.race import MOST_READS, Heat
from poc.serving.console.samples import Example
from poc.serving.questions import MAX_IDS, Questions

if TYPE_CHECKING:
    from poc.model.contributions import Contributions

# How the page calls a source, by its name.
TITLES = {"feast": "Feast", "direct": "Direct reads", "feature-server": "Feature server"}


def race_request(questions: Questions) -> Any:
    """Make the model of a part of a race: the entities are for a server that has no sample of its own."""
    rows: Any = questions.batch.model_fields["asked"].annotation
    reads: Any = (int, Field(ge=1, le=MOST_READS, description="Counted reads by each way."))
    asked: Any = (rows, Field(alias=questions.rows, default_factory=list, max_length=MAX_IDS))
    return create_model("RaceRequest", __base__=questions.batch, reads=reads, asked=asked)


def about_answer(questions: Questions, ways: Sequence[str]) -> dict[str, Any]:
    """Tell what the page is about; `ways` are names of sources, the server's own first."""
    served = questions.served
    ttls = [view.ttl for view in served.feature_sets if view.ttl is not None]
    return {
        "service": served.service,
        "views": [view.view for view in served.feature_sets],
        "keys": [{"name": key.name, "kind": _key_kind(key)} for key in served.join_keys],
        # The field of a batch, and of a race, that lists entities.
        "rows": questions.rows,
        "ttl_seconds": min(ttls).total_seconds() if ttls else None,
        "features": [_feature(item) for item in served.features],
        "ways": [{"name": name, "title": TITLES.get(name, name)} for name in ways],
        "most_reads": MOST_READS,
    }


def _key_kind(key: JoinKey) -> str:
    kinds = {bool: "yes_no", int: "whole", float: "number"}
    return kinds.get(python_type(key.dtype), "text")


def _feature(feature: Feature) -> dict[str, Any]:
    """Tell of a feature as the page shows it and lets a person change it."""
    limits = read_limits(feature)
    kinds = {
        bool: "yes_no",
        int: "flag" if limits.binary else "whole",
        float: "number",
        str: "text" if limits.values is None else "choice",
    }
    # Of other types it is shown, and not to be changed.
    kind = kinds.get(python_type(feature.dtype), "other")
    return {"name": feature.name, "description": feature.description, "kind": kind, **asdict(limits)}


def explanation(prediction: dict[str, Any], found: "Contributions | NotExplainable") -> dict[str, Any]:
    """Word what a prediction rests on, or why that cannot be said."""
    if isinstance(found, NotExplainable):
        why = {"detail": found.what, "way_out": found.way_out}
        return {"prediction": prediction, "contributions": None, "unexplained": why}
    return {"prediction": prediction, "contributions": found, "unexplained": None}


def examples_answer(found: Sequence[Example]) -> dict[str, Any]:
    """Word the transactions to look up: their keys as a person types them, in their order."""
    examples = [
        {"keys": [_typed(part) for part in item.key], "fraud_probability": item.fraud_probability}
        for item in found
    ]
    return {"examples": examples}


def _typed(part: Any) -> str:
    """Word a key's value as the page's field takes it."""
    return str(part).lower() if isinstance(part, bool) else str(part)


def race_answer(heat: Heat) -> dict[str, Any]:
    """Word what was measured; a nanosecond is more than a clock can tell."""
    rounded = {name: [round(item, 4) for item in all_ms] for name, all_ms in heat.latencies_ms.items()}
    return {"latencies_ms": rounded, "differing": heat.differing}
