"""The ways of reading features that are compared: first their values agree, then latencies are measured.

How each reads is up to `poc.measurement.reads`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poc.dataset.values import same_value
from poc.errors import TooFewTransactions, UnequalConsistency, ValuesDiffer
from poc.measurement import core
from poc.measurement.core import Key, Method, Nanoseconds, Row

BASELINE = "direct-cassandra"
DIRECT_IN = "direct-cassandra-in"
# In the order of all results: title, and what it brings beside latency, the guide's column "Features".
KNOWN = {
    BASELINE: ("Direct Cassandra", "(!) Manual management"),
    DIRECT_IN: ("Direct Cassandra, IN", "(!) The same, keys together in a statement"),
    "feast": ("Feast", "✅ Versioning, lineage, consistency"),
    "feast-rows": ("Feast, row store", "✅ The same, one row an entity"),
    "feast-unresolved": ("Feast, provider local", "✅ The same, names looked up in each call"),
    "feast-rows-acsylla": ("Feast, row store, acsylla", "✅ The same, C++ driver, awaited"),
    "direct-acsylla": ("Direct, acsylla", "(!) Manual management, C++ driver"),
    "feast-server": ("Feast, feature server", "✅ The same, over HTTP, no driver in the client"),
}
# Those that are compared only when they are asked for: a feature server takes seconds to start.
ON_REQUEST = ("direct-acsylla", "feast-server")
# The call as the guide types it, of which the guide promises something. What it takes unresolved is its past.
GUIDES_CALL = ("feast", "feast-rows")
# What all ratios are to, for the record.
BASELINE_READ = (
    "cassandra-driver, one prepared statement an id, rows as tuples (tuple_factory), as poc/serve_model.py"
)
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


def run_comparison(
    methods: Sequence[Method],
    keys: Sequence[Key],
    request: Request,
    meta: Mapping[str, Any],
    progress: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Compare `methods`, the first of which is the baseline, by reading the distinct `keys`.

    Returns a document. Its `meta` begins with the one given, as `measured_on` describes it; `transactions`
    were read by every method with equal values, and then measured with, `unknown` of `keys` are in neither
    store. `results`, `ratios` to the baseline and `curves` are one a method and batch size that it has. A
    curve is the percentiles from 0 to 100, as `core.percentile` defines them, in milliseconds.

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
    own = {
        "requests": request.requests,
        "seed": request.seed,
        "consistency": methods[0].consistency,
        "baseline": BASELINE_READ,
        "transactions": len(known),
        "unknown": len(keys) - len(known),
        "features": len(methods[0].read(known[:1])[0] or ()),
    }

    def after_round(batch: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
        require_agreement(batch, answers)
        progress()

    latencies = {}
    for size in request.batch_sizes:
        rounds = core.rounds_for(request.requests, size)
        latencies[size] = core.measure(methods, known, size, rounds, request.seed, after_round)
    titles = [{"name": method.name, "title": method.title} for method in methods]
    return {"meta": {**meta, **own}, "methods": titles, **summarized(latencies, request.seed)}


def summarized(latencies: Mapping[int, Mapping[str, Nanoseconds]], seed: int) -> dict[str, Any]:
    """Return `results`, `ratios` and `curves` of what was measured, by batch size, the baseline first.

    `seed` fixes the bootstrap.
    """
    found: dict[str, Any] = {"results": [], "ratios": [], "curves": []}
    for size, measured in latencies.items():
        baseline = next(iter(measured))
        for name, taken in measured.items():
            which = {"method": name, "batch_size": size}
            found["results"].append(which | core.summarize(taken))
            found["curves"].append(which | {"ms": _percentiles(taken)})
            if name != baseline:
                ratio = core.compare(taken, measured[baseline], seed)
                found["ratios"].append(which | {"baseline": baseline} | ratio)
    return found


def rounded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Round a comparison for its file: what is finer than microseconds is the clock's and Python's own."""

    def of(part: str, digits: int) -> Any:
        return json.loads(json.dumps(document[part]), parse_float=lambda text: round(float(text), digits))

    return {**document, "results": of("results", 3), "ratios": of("ratios", 4)}


def _percentiles(latencies: Nanoseconds) -> list[float]:
    # In whole numbers: 0.07 * 100 is more than 7.
    ranks = -(-np.arange(101) * len(latencies) // 100)
    found: list[float] = (np.sort(latencies)[np.maximum(ranks, 1) - 1] / 1e6).round(3).tolist()
    return found


def differences(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> list[tuple[Key, str]]:
    """Return what each answer has otherwise than the first one: the key, and a line with both values.

    `answers` are each method's rows for `keys`, in their order, by the method's name. Values are compared by
    `same_value`; a row of nulls only is no row.
    """
    (first, expected), *others = answers.items()
    found: list[tuple[Key, str]] = []
    for name, rows in others:
        if len(rows) != len(expected) or len(keys) != len(expected):
            raise ValueError(f"{name} gave {len(rows)} rows and {first} {len(expected)} for {len(keys)} keys")
        for key, *pair in zip(keys, expected, rows, strict=True):
            one, other = map(_known, pair)
            if one is None or other is None:
                known = ["unknown" if row is None else "known" for row in (one, other)]
                unequal = [("", known[0], known[1])] if one is not other else []
            else:
                unequal = [
                    (f" {column}", repr(one.get(column)), repr(other.get(column)))
                    for column in dict.fromkeys((*one, *other))
                    if not same_value(other.get(column), one.get(column))
                ]
            spoken = "/".join(map(str, key))
            found += ((key, f"{spoken}{what}: {a} by {first}, {b} by {name}") for what, a, b in unequal)
    return found


def require_agreement(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
    """Raise `ValuesDiffer`, with the transactions and columns, unless all answers are the same."""
    found = differences(keys, answers)
    if found:
        raise ValuesDiffer([line for _, line in found], len({key for key, _ in found}), len(keys))


def agreed_keys(methods: Sequence[Method], keys: Sequence[Key], chunk: int = 100) -> list[Key]:
    """Read all `keys` once by every method, `chunk` at a time, and return those that are known.

    `ValuesDiffer` names every difference, not only the first chunk's.
    """
    answers: dict[str, list[Row | None]] = {method.name: [] for method in methods}
    for start in range(0, len(keys), chunk):
        for method in methods:
            answers[method.name] += method.read(keys[start : start + chunk])
    require_agreement(keys, answers)
    return [key for key, row in zip(keys, answers[methods[0].name], strict=True) if _known(row) is not None]


def _known(row: Row | None) -> Row | None:
    return None if row is None or all(same_value(value, None) for value in row.values()) else row
