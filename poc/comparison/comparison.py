"""One comparison from the open stores to the numbers: values held to each other, then latencies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from poc.comparison.agreement import agreed_ids, require_agreement
from poc.comparison.machine import Machine, Versions, this_machine
from poc.comparison.measure import Measurement, measure, rounds_for, warm_up_rounds
from poc.comparison.methods import Method, Row, common_consistency
from poc.comparison.statistics import Ratio, Summary, compare, summarize
from poc.errors import TooFewTransactions

# Transactions that the reads draw from: many enough that Cassandra does not answer the same few again.
POOL = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured.

    Attributes:
        requests: reads of one transaction by each method; larger batches get `rounds_for` of it.
        batch_sizes: transactions a read, one measurement each.
        seed: fixes which transactions are read, in which order, and the bootstrap.
        methods: names of the ways to read; None for all that can be had.
    """

    requests: int
    batch_sizes: tuple[int, ...]
    seed: int
    methods: tuple[str, ...] | None = None

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

    `ratios` are to the baseline, which has none.
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
    """Everything that one run found out.

    Attributes:
        time: when it began, UTC.
        request: what was asked for.
        methods: what was compared, the baseline first.
        consistency: the level that all of them read at.
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
    ids: Sequence[str],
    request: Request,
    versions: Versions,
    progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Compare `methods`, the first of which is the baseline, by reading `ids`.

    Args:
        methods: the ways to read.
        ids: distinct transactions to read.
        request: how often, and how many at once.
        versions: what takes part, for the record.
        progress: called after each round.

    Raises:
        UnequalConsistency: the methods do not read at the same level.
        ValuesDiffer: they do not give the same values, before or while they are measured.
        TooFewTransactions: fewer of `ids` are stored than a batch needs.
    """
    time = datetime.now(timezone.utc)
    consistency = common_consistency(methods)
    _require_enough(ids, request)
    known = agreed_ids(methods, ids, chunk=100)
    _require_enough(known, request)
    features = len(methods[0].read(known[:1])[0] or ())

    def after_round(batch: Sequence[str], answers: Mapping[str, list[Row | None]]) -> None:
        require_agreement(batch, answers)
        progress()

    results = []
    for size in request.batch_sizes:
        rounds = rounds_for(request.requests, size)
        results.append(
            summarized(
                methods, measure(methods, known, size, rounds, request.seed, after_round), request.seed
            )
        )
    return Comparison(
        time,
        request,
        methods,
        consistency,
        this_machine(),
        versions,
        len(known),
        len(ids) - len(known),
        features,
        tuple(results),
    )


def summarized(methods: Sequence[Method], measurement: Measurement, seed: int) -> BatchResult:
    """Summarize the latencies of `methods`, the baseline first; `seed` fixes the bootstrap."""
    taken = measurement.nanoseconds
    baseline, *others = (method.name for method in methods)
    return BatchResult(
        measurement,
        {method.name: summarize(taken[method.name]) for method in methods},
        {name: compare(taken[name], taken[baseline], seed) for name in others},
    )


def _require_enough(ids: Sequence[str], request: Request) -> None:
    largest = max(request.batch_sizes)
    if len(ids) < largest:
        raise TooFewTransactions(largest, len(ids))
