"""One comparison from the open stores to the numbers: values held to each other, then latencies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from poc.comparison.agreement import agreed_keys, require_agreement
from poc.comparison.machine import Machine, Versions, this_machine
from poc.comparison.measure import Measurement, measure, rounds_for, warm_up_rounds
from poc.comparison.methods import Key, Method, Row
from poc.comparison.statistics import Ratio, Summary, compare, summarize
from poc.errors import TooFewTransactions, UnequalConsistency

# Transactions that the reads draw from: many enough that Cassandra does not answer the same few again.
POOL = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured.

    Attributes:
        requests: reads of one transaction by each method; larger batches get `rounds_for` of it.
        seed: fixes which transactions are read, in which order, and the bootstrap.
        methods: names of the ways to read; None for all that can be had, `also` of those on request.
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
        counted = [rounds_for(self.requests, size) for size in self.batch_sizes]
        return sum(rounds + warm_up_rounds(rounds) for rounds in counted)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One batch size: its latencies, and what they come to, by the method's name.

    `ratios` are to the baseline, which has none. Methods that are not measured at this size are not there.
    """

    measurement: Measurement
    summaries: dict[str, Summary]
    ratios: dict[str, Ratio]

    @property
    def batch_size(self) -> int:
        """Transactions a read."""
        return self.measurement.batch_size


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that one run found out; the first of `methods` is the baseline.

    Attributes:
        time: when it began, UTC.
        transactions: how many were read by every method with equal values, and then measured with.
        unknown: how many of the Parquet's were in neither store, and left out.
        features: how many values each of them has.
        results: one a batch size, in the order asked for.
    """

    time: datetime
    request: Request
    methods: tuple[Method, ...]
    consistency: str
    machine: Machine
    versions: Versions
    transactions: int
    unknown: int
    features: int
    results: tuple[BatchResult, ...]


def run_comparison(
    methods: tuple[Method, ...],
    keys: Sequence[Key],
    request: Request,
    versions: Versions,
    progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Compare `methods`, the first of which is the baseline, by reading the distinct `keys`.

    `progress` is called after each round.

    Raises:
        UnequalConsistency: the methods do not read at the same level, so their latencies do not compare.
        ValuesDiffer: they do not give the same values, before or while they are measured.
        TooFewTransactions: fewer of `keys` are stored than a batch needs.
    """
    time = datetime.now(timezone.utc)
    levels = {method.name: method.consistency for method in methods}
    if len(set(levels.values())) != 1:
        raise UnequalConsistency(levels)
    _require_enough(keys, request)
    known = agreed_keys(methods, keys, chunk=100)
    _require_enough(known, request)
    features = len(methods[0].read(known[:1])[0] or ())

    def after_round(batch: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
        require_agreement(batch, answers)
        progress()

    results = []
    for size in request.batch_sizes:
        rounds = rounds_for(request.requests, size)
        measured = measure(methods, known, size, rounds, request.seed, after_round)
        results.append(summarized(methods, measured, request.seed))
    setting = (methods[0].consistency, this_machine(), versions)
    counted = (len(known), len(keys) - len(known), features)
    return Comparison(time, request, methods, *setting, *counted, tuple(results))


def summarized(methods: Sequence[Method], measurement: Measurement, seed: int) -> BatchResult:
    """Summarize the latencies of `methods`, the baseline first; `seed` fixes the bootstrap."""
    taken = measurement.nanoseconds
    baseline, *others = (method.name for method in methods if method.name in taken)
    return BatchResult(
        measurement,
        {name: summarize(taken[name]) for name in (baseline, *others)},
        {name: compare(taken[name], taken[baseline], seed) for name in others},
    )


def _require_enough(keys: Sequence[Key], request: Request) -> None:
    largest = max(request.batch_sizes)
    if len(keys) < largest:
        raise TooFewTransactions(largest, len(keys))
