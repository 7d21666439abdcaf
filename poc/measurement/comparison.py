"""One comparison from the open stores to its JSON: first the values agree, then latencies are measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from poc.errors import TooFewTransactions, UnequalConsistency
from poc.measurement import core
from poc.measurement.core import Nanoseconds, Ratio, Summary
from poc.measurement.methods import BASELINE_READ, Key, Method, Row, agreed_keys, require_agreement

# Transactions that the reads draw from: many enough that Cassandra does not answer the same few again.
POOL = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured: `requests` reads of one transaction by each method, of a batch `rounds_for` it.

    `seed` fixes which transactions are read, in which order, and the bootstrap. `methods` are names of the
    ways to read, None for all that can be had; `also` those of others, on request.
    """

    requests: int
    batch_sizes: tuple[int, ...]
    seed: int
    methods: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()

    @property
    def pool(self) -> int:
        """How many distinct transactions to read from."""
        return max(POOL, *self.batch_sizes)

    @property
    def all_rounds(self) -> int:
        """How many rounds there are in all, warm-up included; for a progress bar."""
        counted = [core.rounds_for(self.requests, size) for size in self.batch_sizes]
        return sum(rounds + core.warm_up_rounds(rounds) for rounds in counted)


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """The latencies at one batch size, and what they come to, by the method's name.

    `ratios` are to the baseline, which has none. Methods that are not measured at this size are not there.
    """

    batch_size: int
    nanoseconds: Mapping[str, Nanoseconds]
    summaries: dict[str, Summary]
    ratios: dict[str, Ratio]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that one run found out; the first of `methods` is the baseline.

    Attributes:
        meta: what was measured on, as `measured_on` describes it.
        transactions: how many were read by every method with equal values, and then measured with.
        unknown: how many of the Parquet's were in neither store, and left out.
        features: how many values each of them has.
        results: one a batch size, in the order asked for.
    """

    meta: Mapping[str, Any]
    request: Request
    methods: tuple[Method, ...]
    transactions: int
    unknown: int
    features: int
    results: tuple[BatchResult, ...]


def run_comparison(
    methods: tuple[Method, ...],
    keys: Sequence[Key],
    request: Request,
    meta: Mapping[str, Any],
    progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Compare `methods`, the first of which is the baseline, by reading the distinct `keys`.

    `progress` is called after each round. Raises `UnequalConsistency` of methods that do not compare,
    `ValuesDiffer` before or while they are measured, `TooFewTransactions` where a batch needs more.
    """
    levels = {method.name: method.consistency for method in methods}
    if len(set(levels.values())) != 1:
        raise UnequalConsistency([f"{name} at {level}" for name, level in levels.items()])
    largest = max(request.batch_sizes)
    known = agreed_keys(methods, keys) if len(keys) >= largest else keys
    if len(known) < largest:
        raise TooFewTransactions(largest, len(known))
    features = len(methods[0].read(known[:1])[0] or ())

    def after_round(batch: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
        require_agreement(batch, answers)
        progress()

    results = []
    for size in request.batch_sizes:
        rounds = core.rounds_for(request.requests, size)
        measured = core.measure(methods, known, size, rounds, request.seed, after_round)
        results.append(summarized(size, measured, request.seed))
    return Comparison(meta, request, methods, len(known), len(keys) - len(known), features, tuple(results))


def summarized(batch_size: int, measured: Mapping[str, Nanoseconds], seed: int) -> BatchResult:
    """Summarize what was measured, the baseline first; `seed` fixes the bootstrap."""
    baseline, *others = measured
    ratios = {name: core.compare(measured[name], measured[baseline], seed) for name in others}
    summaries = {name: core.summarize(latencies) for name, latencies in measured.items()}
    return BatchResult(batch_size, measured, summaries, ratios)


def document(comparison: Comparison) -> dict[str, Any]:
    """Return `meta`, `methods`, `results`, `ratios` and `curves` as plain values.

    `core.percentile` defines percentiles. A curve is those from 0 to 100, in milliseconds.
    """
    request, results, baseline = comparison.request, comparison.results, comparison.methods[0]
    return {
        "meta": {
            **comparison.meta,
            "requests": request.requests,
            "seed": request.seed,
            "consistency": baseline.consistency,
            "baseline": BASELINE_READ,
        },
        "methods": [{"name": method.name, "title": method.title} for method in comparison.methods],
        "results": [
            # What is finer than microseconds is the clock's and Python's own.
            {"method": name, "batch_size": result.batch_size}
            | {key: round(value, 3) for key, value in asdict(summary).items()}
            for result in results
            for name, summary in result.summaries.items()
        ],
        "ratios": [
            {
                "method": name,
                "baseline": baseline.name,
                "batch_size": result.batch_size,
                "mean": round(ratio.mean, 4),
                "p50": round(ratio.p50, 4),
                "p50_ci95": [round(ratio.p50_low, 4), round(ratio.p50_high, 4)],
                "p99": round(ratio.p99, 4),
            }
            for result in results
            for name, ratio in result.ratios.items()
        ],
        "curves": [
            {"method": name, "batch_size": result.batch_size, "ms": _percentiles(latencies)}
            for result in results
            for name, latencies in result.nanoseconds.items()
        ],
    }


def _percentiles(latencies: Nanoseconds) -> list[float]:
    # In whole numbers: 0.07 * 100 is more than 7.
    ranks = -(-np.arange(101) * len(latencies) // 100)
    found: list[float] = (np.sort(latencies)[np.maximum(ranks, 1) - 1] / 1e6).round(3).tolist()
    return found
