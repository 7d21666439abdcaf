"""From transaction ids to judgements: read the features, put the overrides over them, ask the model.

Knows nothing of HTTP. A judgement is never made from defaults: what cannot be read or is refused
comes back as the error that says so.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from starlette.concurrency import run_in_threadpool

from poc.errors import (
    FeaturesNotMaterialized,
    FeaturesUnavailable,
    ModelMismatch,
    PocError,
    StaleFeatures,
    TooBusy,
    UnknownTransaction,
)
from poc.retrieval.source import FeatureSource, TransactionFeatures, Value, utc_now
from poc.serving.kept import Kept
from poc.serving.metrics import FRAUD, LEGITIMATE, Metrics
from poc.serving.problems import problem_type

if TYPE_CHECKING:
    from poc.model.scoring import Scorer


# What was read, and how many seconds that took.
Read: TypeAlias = tuple[list[TransactionFeatures | None], float]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says of one transaction.

    Attributes:
        transaction_id: the transaction.
        fraud_probability: 0 to 1.
        is_fraud: whether that reaches the model's threshold.
        features: the values it was judged by, every declared feature, overrides included.
        overridden: the features that the request gave instead of the store, in declared order.
        event_timestamp: when the stored values were true, UTC-aware.
        stale: whether they are older than the view's ttl.
        age_seconds: how old they are.
    """

    transaction_id: str
    fraud_probability: float
    is_fraud: bool
    features: Mapping[str, Value]
    overridden: tuple[str, ...]
    event_timestamp: datetime
    stale: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of one request.

    Attributes:
        outcomes: for each id asked for, in order, its judgement or why there is none.
        model: what judged.
        features_ms: time to read the features, in milliseconds, without the wait for a thread.
        model_ms: time to score them.
    """

    outcomes: tuple[Judgement | PocError, ...]
    model: "Scorer"
    features_ms: float
    model_ms: float


class Predictor:
    """Judges transactions by a feature source and a model that may come and go.

    Runs in an event loop. A source that has no `async_read` is read in a thread.

    Args:
        features: the source.
        model: the scorer.
        metrics: where to count.
        refuse_stale: whether values older than the view's ttl are refused instead of marked.
        patience_seconds: a request that waited longer for a thread is not begun any more.
        clock: tells the time, UTC-aware.
    """

    def __init__(
        self,
        features: "Kept[FeatureSource]",
        model: "Kept[Scorer]",
        metrics: Metrics,
        *,
        refuse_stale: bool,
        patience_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._features, self._model, self._metrics = features, model, metrics
        self._refuse_stale, self._patience_seconds, self._clock = refuse_stale, patience_seconds, clock

    async def judge(
        self, transaction_ids: Sequence[str], overrides: Mapping[str, Value], arrived: float | None = None
    ) -> Judged:
        """Judge `transaction_ids`, each by its stored values with `overrides` put over them.

        Args:
            transaction_ids: the transactions; one may come twice.
            overrides: values by feature name, in place of the stored ones.
            arrived: when the request came in, by `time.monotonic`; now for None.

        Raises:
            PocError: none of them can be judged now.
        """
        if arrived is None:
            arrived = time.monotonic()
        try:
            judged = await self._judge(transaction_ids, overrides, arrived)
        except Exception as error:
            self._metrics.count(problem_type(error).outcome, len(transaction_ids))
            if isinstance(error, FeaturesNotMaterialized):
                self._metrics.not_materialized.inc()
            raise
        finally:
            self._metrics.prediction_latency.observe(time.monotonic() - arrived)
        for outcome in judged.outcomes:
            self._count(outcome)
        return judged

    async def _judge(
        self, transaction_ids: Sequence[str], overrides: Mapping[str, Value], arrived: float
    ) -> Judged:
        scorer, source = self._model.get(), self._features.get()
        wanted = list(dict.fromkeys(transaction_ids))
        items, features_seconds = await self._read(source, wanted, arrived)
        found = dict(zip(wanted, items, strict=True))
        read = time.perf_counter()
        usable = {key: item for key, item in found.items() if item is not None and not self._refused(item)}
        rows = {key: {**item.values, **overrides} for key, item in usable.items()}
        if rows:
            _require_inputs(scorer, next(iter(rows.values())))
        scores = dict(zip(rows, scorer.score(list(rows.values())), strict=True)) if rows else {}
        scored = time.perf_counter()
        now = self._clock()
        overridden = tuple(name for name in source.feature_names if name in overrides)

        def outcome(transaction_id: str) -> Judgement | PocError:
            item = found[transaction_id]
            if item is None:
                return UnknownTransaction(transaction_id)
            age_seconds = (now - item.event_timestamp).total_seconds()
            if transaction_id not in scores:
                return StaleFeatures(transaction_id, age_seconds)
            probability = scores[transaction_id]
            return Judgement(
                transaction_id=transaction_id,
                fraud_probability=probability,
                is_fraud=probability >= scorer.threshold,
                features=rows[transaction_id],
                overridden=overridden,
                event_timestamp=item.event_timestamp,
                stale=item.stale,
                age_seconds=age_seconds,
            )

        return Judged(
            tuple(outcome(item) for item in transaction_ids),
            scorer,
            features_ms=features_seconds * 1000,
            model_ms=(scored - read) * 1000,
        )

    async def _read(self, source: FeatureSource, wanted: Sequence[str], arrived: float) -> Read:
        try:
            read = source.async_read
            if read is None:
                return await run_in_threadpool(self._read_in_turn, source, wanted, arrived)
            started = time.perf_counter()
            try:
                found = await read(wanted)
            finally:
                seconds = time.perf_counter() - started
                self._metrics.feature_fetch_latency.observe(seconds)
            return found, seconds
        except FeaturesUnavailable as error:
            # The next requests need not find out by waiting as this one did.
            self._features.suspect(error)
            raise

    def _read_in_turn(self, source: FeatureSource, wanted: Sequence[str], arrived: float) -> Read:
        waited_seconds = time.monotonic() - arrived
        if waited_seconds > self._patience_seconds:
            raise TooBusy(waited_seconds)
        started = time.perf_counter()
        try:
            found = source.read(wanted)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.feature_fetch_latency.observe(seconds)
        return found, seconds

    def _refused(self, item: TransactionFeatures) -> bool:
        return item.stale and self._refuse_stale

    def _count(self, outcome: Judgement | PocError) -> None:
        if isinstance(outcome, PocError):
            self._metrics.count(problem_type(outcome).outcome)
            return
        self._metrics.count(FRAUD if outcome.is_fraud else LEGITIMATE)
        if outcome.stale:
            self._metrics.stale_features.inc()


def _require_inputs(scorer: "Scorer", row: Mapping[str, Value]) -> None:
    missing = [name for name in scorer.inputs if name not in row]
    if missing:
        raise ModelMismatch(f"{scorer.name} {scorer.version}", missing)
