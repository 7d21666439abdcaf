"""What the page asks, and what it is answered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from poc.dataset.limits import read_limits
from poc.definitions import Feature, FeatureSet
from poc.errors import NotExplainable
from poc.serving.answers import Answer, PredictionAnswer
from poc.serving.console.race import MOST_READS, Heat
from poc.serving.console.samples import Example
from poc.serving.questions import MAX_IDS, Strict, TransactionId

if TYPE_CHECKING:
    from poc.model.contributions import Contributions

# How the page calls a source, by its name.
TITLES = {"feast": "Feast", "direct": "Direct reads", "feature-server": "Feature server"}


class RaceRequest(Strict):
    """A part of a race."""

    reads: Annotated[int, Field(ge=1, le=MOST_READS, description="Counted reads by each way.")]
    transaction_ids: Annotated[
        list[TransactionId],
        Field(max_length=MAX_IDS, description="To read where the server has no sample of its own."),
    ] = Field(default_factory=list)


class FeatureAnswer(Answer):
    """A feature, as the page shows it and lets a person change it."""

    name: str
    description: str
    kind: str = Field(description="number, whole, flag, yes_no, choice, text, or other: not to be changed.")
    minimum: float | int | None
    maximum: float | int | None
    values: tuple[str, ...] | None


class WayAnswer(Answer):
    """One of the two ways of a race."""

    name: str
    title: str


class AboutAnswer(Answer):
    """What the page is about."""

    view: str
    ttl_seconds: float | None
    features: tuple[FeatureAnswer, ...]
    ways: tuple[WayAnswer, ...] = Field(description="This server's own way, and the other one.")
    most_reads: int = Field(description="Of one part of a race.")


class ContributionsAnswer(Answer):
    """See `poc.model.contributions.Contributions`."""

    typical: dict[str, Any]
    typical_probability: float
    log_odds: dict[str, float]


class Unexplained(Answer):
    """Why there are no contributions."""

    detail: str
    way_out: str


class Explanation(Answer):
    """What /predict answers, and what that rests on."""

    prediction: PredictionAnswer
    contributions: ContributionsAnswer | None
    unexplained: Unexplained | None


class ExampleAnswer(Answer):
    """A transaction to look up."""

    transaction_id: str
    fraud_probability: float


class ExamplesAnswer(Answer):
    """Transactions to look up, the most suspicious first."""

    examples: list[ExampleAnswer]


class RaceAnswer(Answer):
    """What a part of a race measured."""

    latencies_ms: dict[str, list[float]]
    differing: int = Field(description="Reads in which the two ways did not say the same.")
    path: Literal["event_loop", "thread"] = Field(
        description="Where both were read: in a thread where only one, or none, can be awaited."
    )
    as_served: bool = Field(description="Whether predictions read the server's own way by that path too.")


def about_answer(definitions: FeatureSet, ways: Sequence[str]) -> AboutAnswer:
    """Tell what the page is about; `ways` are names of sources."""
    ttl = definitions.ttl
    return AboutAnswer(
        view=definitions.view,
        ttl_seconds=None if ttl is None else ttl.total_seconds(),
        features=tuple(_feature(item) for item in definitions.features),
        ways=tuple(WayAnswer(name=name, title=TITLES.get(name, name)) for name in ways),
        most_reads=MOST_READS,
    )


def explanation(prediction: PredictionAnswer, found: "Contributions | NotExplainable") -> Explanation:
    """Word what a prediction rests on, or why that cannot be said."""
    if isinstance(found, NotExplainable):
        why = Unexplained(detail=found.what, way_out=found.way_out)
        return Explanation(prediction=prediction, contributions=None, unexplained=why)
    answer = ContributionsAnswer(
        typical=dict(found.typical),
        typical_probability=found.typical_probability,
        log_odds=dict(found.log_odds),
    )
    return Explanation(prediction=prediction, contributions=answer, unexplained=None)


def examples_answer(found: Sequence[Example]) -> ExamplesAnswer:
    """Word the examples."""
    return ExamplesAnswer(
        examples=[
            ExampleAnswer(transaction_id=item.transaction_id, fraud_probability=item.fraud_probability)
            for item in found
        ]
    )


def race_answer(heat: Heat) -> RaceAnswer:
    """Word what was measured; a nanosecond is more than a clock can tell."""
    rounded = {name: [round(item, 4) for item in all_ms] for name, all_ms in heat.latencies_ms.items()}
    return RaceAnswer(
        latencies_ms=rounded, differing=heat.differing, path=heat.path, as_served=heat.as_served
    )


def _feature(feature: Feature) -> FeatureAnswer:
    limits = read_limits(feature)
    return FeatureAnswer(
        name=feature.name,
        description=feature.description,
        kind=_kind(feature),
        minimum=limits.minimum,
        maximum=limits.maximum,
        values=limits.values,
    )


def _kind(feature: Feature) -> str:
    from feast.types import Bool, Float32, Float64, Int32, Int64, String

    limits = read_limits(feature)
    if feature.dtype == Bool:
        return "yes_no"
    if feature.dtype in (Int32, Int64):
        return "flag" if limits.binary else "whole"
    if feature.dtype in (Float32, Float64):
        return "number"
    if feature.dtype == String:
        return "text" if limits.values is None else "choice"
    return "other"
