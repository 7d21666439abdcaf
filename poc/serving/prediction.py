"""From entities to judgements: read the features, put the overrides over them, ask the model.

Knows nothing of HTTP. A judgement is never made from defaults: what cannot be read or is refused
comes back as the error that says so.
"""

import struct
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from poc import errors
from poc.dataset.columns import read_limits
from poc.definitions import Feature, ServedFeatures
from poc.retrieval.source import EntityFeatures, EntityKey, Value, utc_now
from poc.serving.metrics import FRAUD, LEGITIMATE, Metrics
from poc.serving.problems import problem_type
from poc.serving.resources import FeatureResource, ModelResource

if TYPE_CHECKING:
    from poc.model.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says of one entity: of one transaction, in the guide's words.

    Attributes:
        features: the values it was judged by, every served feature, overrides included.
        overridden: the features that the request gave instead of the store, in declared order.
        event_timestamp: when the stored values were true, UTC-aware; `stale` and `age_seconds` are theirs.
    """

    key: EntityKey
    fraud_probability: float
    is_fraud: bool
    features: Mapping[str, Value]
    overridden: tuple[str, ...]
    event_timestamp: datetime
    stale: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcomes of one request: for each key asked for, in order, its judgement or why there is none.

    Times in milliseconds are those of reading the features, and of scoring them.
    """

    key_names: tuple[str, ...]
    outcomes: tuple[Judgement | errors.PocError, ...]
    model: "Scorer"
    features_ms: float
    model_ms: float


class Bounds:
    """What tags allow of stored values. A request's own are held to them when it is read."""

    def __init__(self, served: ServedFeatures) -> None:
        self.served, self.names, self.key_names = served, served.names, served.key_names
        self._numbers, self._texts = list[tuple[str, float, float]](), list[tuple[str, frozenset[str]]]()
        for feature in served.features:
            limits = read_limits(feature)
            if limits.values is not None:
                self._texts.append((feature.name, frozenset(limits.values)))
            elif limits.minimum is not None or limits.maximum is not None:
                least, most = _as_stored(feature, limits.minimum, limits.maximum)
                self._numbers.append((feature.name, least, most))

    def outside(self, values: Mapping[str, Value], but: Container[str]) -> tuple[str, Value, str] | None:
        """Return the first of `values`, but for `but`, that is not allowed, and what is. A null is."""
        value: Any
        for name, least, most in self._numbers:
            value = values.get(name)
            if value is not None and not least <= value <= most and name not in but:
                return name, value, f"{least:g} to {most:g}"
        for name, allowed in self._texts:
            value = values.get(name)
            if value is not None and value not in allowed and name not in but:
                return name, value, ", ".join(sorted(allowed))
        return None


# A model that takes what is served, and the bounds of that.
Fitting: TypeAlias = "tuple[Scorer, Bounds]"


class Predictor:
    """Judges entities by a feature source and a model that may come and go. Runs in an event loop.

    With `refuse_stale` values older than the view's ttl are refused instead of marked.
    """

    def __init__(
        self, features: FeatureResource, model: ModelResource, metrics: Metrics, *, refuse_stale: bool
    ) -> None:
        self._features, self._model, self._metrics = features, model, metrics
        self._refuse_stale = refuse_stale
        self._last_read = float("-inf")
        # As was seen once.
        self._fitting: Fitting | None = None

    async def judge(
        self, keys: Sequence[EntityKey], overrides: Mapping[str, Value], arrived: float
    ) -> Judged:
        """Judge the entities `keys`, of which one may come twice, by stored values under `overrides`.

        `arrived` is when the request came in, by `time.monotonic`.

        Raises PocError: none of them can be judged now.
        """
        try:
            judged = await self._judge(keys, overrides)
        except Exception as error:
            self._metrics.count(problem_type(error).outcome, len(keys))
            if isinstance(error, errors.FeaturesNotMaterialized):
                self._metrics.not_materialized.inc()
            raise
        finally:
            self._metrics.prediction_latency.observe(time.monotonic() - arrived)
        for outcome in judged.outcomes:
            if isinstance(outcome, errors.PocError):
                self._metrics.count(problem_type(outcome).outcome)
                continue
            self._metrics.count(FRAUD if outcome.is_fraud else LEGITIMATE)
            if outcome.stale:
                self._metrics.stale_features.inc()
        return judged

    async def _judge(self, keys: Sequence[EntityKey], overrides: Mapping[str, Value]) -> Judged:
        scorer, source = self._model.get(), self._features.get()
        fitting, served = self._fitting, source.served
        if fitting is None or fitting[0] is not scorer or fitting[1].served is not served:
            require_inputs(scorer, served)
            fitting = self._fitting = scorer, Bounds(served)
        bounds = fitting[1]
        key_names, names, wanted = bounds.key_names, bounds.names, list(dict.fromkeys(keys))
        started = time.perf_counter()
        try:
            found = await source.read(wanted)
        except errors.FeaturesUnavailable as error:
            # The next requests need not find out by waiting as this one did. But a store that has answered
            # since this one asked is not gone: it, or this server, is busy.
            if self._last_read < started:
                self._features.suspect(error)
            raise
        finally:
            read = time.perf_counter()
            self._metrics.feature_fetch_latency.observe(read - started)
        self._last_read = read
        now = utc_now()
        outcomes: dict[EntityKey, Judgement | errors.PocError] = {}
        known: list[tuple[EntityFeatures, dict[str, Value]]] = []
        for key, item in zip(wanted, found, strict=True):
            if item is None:
                outcomes[key] = errors.UnknownEntity(entity_name(key_names, key))
            elif (refusal := self._refusal(item, overrides, fitting, now)) is not None:
                outcomes[key] = refusal
            else:
                known.append((item, {**item.values, **overrides}))
        scores = scorer.score([row for _, row in known]) if known else []
        scored = time.perf_counter()
        overridden = tuple(name for name in names if name in overrides) if overrides else ()
        for (item, row), score in zip(known, scores, strict=True):
            key, moment, is_fraud = item.key, item.event_timestamp, score >= scorer.threshold
            age = (now - moment).total_seconds()
            outcomes[key] = Judgement(key, score, is_fraud, row, overridden, moment, item.stale, age)
        outcomes_asked = tuple(outcomes[key] for key in keys)
        return Judged(key_names, outcomes_asked, scorer, (read - started) * 1000, (scored - read) * 1000)

    def _refusal(
        self, item: EntityFeatures, overrides: Mapping[str, Value], fitting: Fitting, now: datetime
    ) -> errors.PocError | None:
        """Return why `item` is not to be judged by; None if it is."""
        scorer, bounds = fitting
        entity = bounds.key_names, item.key
        if item.stale and self._refuse_stale:
            return errors.StaleFeatures(entity_name(*entity), (now - item.event_timestamp).total_seconds())
        if item.missing:
            missing = [name for name in item.missing if name in scorer.inputs and name not in overrides]
            if missing:
                return errors.FeaturesMissing(entity_name(*entity), missing)
        outside = bounds.outside(item.values, overrides)
        return None if outside is None else errors.ValueOutOfBounds(entity_name(*entity), *outside)


def require_inputs(scorer: "Scorer", served: ServedFeatures) -> None:
    """Raise `ModelMismatch` if the model wants other features than those served, or others of their types."""
    missing = scorer.lacking(served.features)
    if missing:
        raise errors.ModelMismatch(f"{scorer.name} {scorer.version}", missing)


def entity_name(key_names: Sequence[str], key: EntityKey) -> str:
    """Name an entity for a person: its join keys and their values."""
    return ", ".join(f"{name} {value!r}" for name, value in zip(key_names, key, strict=True))


def _as_stored(feature: Feature, least: float | None, most: float | None) -> tuple[float, float]:
    """Return bounds that also hold a value which a Float32 rounds away from one of them."""
    from feast.types import Float32

    bounds = (float("-inf") if least is None else least, float("inf") if most is None else most)
    if feature.dtype != Float32:
        return bounds
    rounded = struct.unpack("2f", struct.pack("2f", *bounds))
    return min(bounds[0], rounded[0]), max(bounds[1], rounded[1])
