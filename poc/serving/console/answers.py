"""What the page asks, and what it is answered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from poc.dataset.limits import read_limits
from poc.definitions import Feature, JoinKey
from poc.errors import NotExplainable
from poc.serving.answers import Answer
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


class FeatureAnswer(Answer):
    """A feature, as the page shows it and lets a person change it."""

    name: str
    description: str
    kind: str = Field(description="number, whole, flag, yes_no, choice, text, or other: not to be changed.")
    minimum: float | int | None
    maximum: float | int | None
    values: tuple[str, ...] | None


class KeyAnswer(Answer):
    """A join key, which a person looks transactions up by."""

    name: str
    kind: str = Field(description="text, whole, number or yes_no.")


class WayAnswer(Answer):
    """One of the two ways of a race."""

    name: str
    title: str


class AboutAnswer(Answer):
    """What the page is about."""

    service: str
    views: tuple[str, ...]
    keys: tuple[KeyAnswer, ...]
    rows: str = Field(description="The field of a batch, and of a race, that lists entities.")
    ttl_seconds: float | None = Field(description="The shortest of the views'.")
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

    prediction: dict[str, Any]
    contributions: ContributionsAnswer | None
    unexplained: Unexplained | None


class ExampleAnswer(Answer):
    """A transaction to look up."""

    keys: tuple[str, ...] = Field(description="As a person types them, in their order.")
    fraud_probability: float


class ExamplesAnswer(Answer):
    """Transactions to look up, the most suspicious first."""

    examples: list[ExampleAnswer]


class RaceAnswer(Answer):
    """What a part of a race measured."""

    latencies_ms: dict[str, list[float]]
    differing: int = Field(description="Reads in which the two ways did not say the same.")


def about_answer(questions: Questions, ways: Sequence[str]) -> AboutAnswer:
    """Tell what the page is about; `ways` are names of sources."""
    served = questions.served
    ttls = [view.ttl for view in served.feature_sets if view.ttl is not None]
    return AboutAnswer(
        service=served.service,
        views=tuple(view.view for view in served.feature_sets),
        keys=tuple(KeyAnswer(name=key.name, kind=_key_kind(key)) for key in served.join_keys),
        rows=questions.rows,
        ttl_seconds=min(ttls).total_seconds() if ttls else None,
        features=tuple(_feature(item) for item in served.features),
        ways=tuple(WayAnswer(name=name, title=TITLES.get(name, name)) for name in ways),
        most_reads=MOST_READS,
    )


def explanation(prediction: dict[str, Any], found: "Contributions | NotExplainable") -> Explanation:
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
            ExampleAnswer(keys=tuple(map(_typed, item.key)), fraud_probability=item.fraud_probability)
            for item in found
        ]
    )


def _typed(part: Any) -> str:
    """Word a key's value as the page's field takes it."""
    return str(part).lower() if isinstance(part, bool) else str(part)


def race_answer(heat: Heat) -> RaceAnswer:
    """Word what was measured; a nanosecond is more than a clock can tell."""
    rounded = {name: [round(item, 4) for item in all_ms] for name, all_ms in heat.latencies_ms.items()}
    return RaceAnswer(latencies_ms=rounded, differing=heat.differing)


def _key_kind(key: JoinKey) -> str:
    from feast.types import Bool, Float32, Float64, Int32, Int64

    kinds = {Bool: "yes_no", Int32: "whole", Int64: "whole", Float32: "number", Float64: "number"}
    return kinds.get(key.dtype, "text")


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
