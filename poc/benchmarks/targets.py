"""What was promised of the pieces, held to what was measured.

A target is a line of the issue that asked for the piece: "Feast as fast as direct Cassandra".
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq, ge, le, lt
from typing import Any

from poc.benchmarks.report import Document
from poc.comparison.methods import BASELINE, DIRECT_IN

# Method, batch size, what is compared, with which method, and how many times as long it may take.
READS = (
    ("feast-rows", 1, "mean", BASELINE, 1.12),
    ("feast-rows", 1, "p50", BASELINE, 1.10),
    ("feast-rows", 1, "p99", BASELINE, 1.30),
    ("feast-rows", 10, "p50", BASELINE, 1.00),
    ("feast-rows", 10, "p50", DIRECT_IN, 1.15),
    ("feast-rows", 100, "p50", BASELINE, 0.75),
    ("feast-rows", 100, "p50", DIRECT_IN, 1.15),
    ("feast", 1, "p50", BASELINE, 1.25),
    ("feast", 10, "p50", BASELINE, 1.30),
    ("feast", 100, "p50", BASELINE, 1.30),
    ("feast-server", 1, "p50", BASELINE, 3.00),
)
# Method, driver, and how many times as fast as Feast's own engine it is to be.
MATERIALIZATION_ROWS = 10_000
MATERIALIZATION = (
    ("arrow-rows", "acsylla", 25),
    ("arrow-rows", "cassandra-driver", 6),
    ("arrow-stock-layout", "acsylla", 10),
    ("arrow-stock-layout", "cassandra-driver", 4),
)
MANY_ROWS = 1_000_000
MOST_MIB = 600
# Rows a second at the largest size, of those at the smallest, from which on the time counts as linear.
LINEAR = 0.8
SCORING_TIMES = 50
VIEWS, VIEWS_RATIO = 200, 1.05
# Of the direct server's predictions a second, on the stock layout and on the row store.
SERVING_STOCK, SERVING_ROWS = 0.88, 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: what was to be reached, what was, and whether it holds; None if it was not measured."""

    promise: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        return "not measured" if self.met is None else "✓ met" if self.met else "✗ missed"


def all_targets(documents: Mapping[str, Document]) -> list[Target]:
    """Hold all targets to `documents`, by the benchmark's name; without one its targets are not measured."""
    judges = {
        "comparison": _reads,
        "materialization": _materialization,
        "serving": _serving,
        "scoring": _scoring,
        "registry": _registry,
    }
    return [target for name, judge in judges.items() for target in judge(documents.get(name, {}))]


def _reads(document: Document) -> Iterator[Target]:
    ratios = {(item["method"], item["batch_size"]): item for item in document.get("ratios", ())}
    for method, size, statistic, other, most in READS:
        own = ratios.get((method, size))
        others = {statistic: 1.0} if other == BASELINE else ratios.get((other, size))
        value = None if own is None or others is None else own[statistic] / others[statistic]
        interval = ""
        if own is not None and other == BASELINE and statistic == "p50":
            interval = " ({:.2f} to {:.2f})".format(*own["p50_ci95"])
        promise = f"`{method}` at n={size}: {statistic.replace('p', 'P')} at most {most:.2f} of `{other}`"
        yield _judged(promise, value, le, most, "{:.2f}" + interval)


def _materialization(document: Document) -> Iterator[Target]:
    results = {(item["method"], item["driver"], item["rows"]): item for item in document.get("results", ())}
    for method, driver, least in MATERIALIZATION:
        faster = results.get((method, driver, MATERIALIZATION_ROWS), {}).get("times_as_fast_as_stock")
        promise = f"`{method}` with {driver}: at least {least} times as fast as `stock`"
        yield _judged(f"{MATERIALIZATION_ROWS:,} rows, {promise}", faster, ge, least, "{:.1f} times")
    for driver in ("acsylla", "cassandra-driver"):
        many = results.get(("arrow-rows", driver, MANY_ROWS), {})
        few = results.get(("arrow-rows", driver, MATERIALIZATION_ROWS))
        speed = many["rows_per_second"] / few["rows_per_second"] if many and few else None
        way = f"{MANY_ROWS:,} rows, `arrow-rows` with {driver}"
        linear = f"linear, at least {LINEAR} of the rows/s at {MATERIALIZATION_ROWS:,}"
        yield _judged(f"{way}: {linear}", speed, ge, LINEAR)
        memory = f"{way}: peak memory under {MOST_MIB} MiB"
        yield _judged(memory, many.get("peak_mib"), lt, MOST_MIB, "{:,} MiB")


def _serving(document: Document) -> Iterator[Target]:
    """Judge the Feast server's throughput, for each number of workers that was measured."""
    of_direct = "of the direct server's predictions a second"
    stock = document.get("meta", {}).get("online_store") == "cassandra"
    ratios = document.get("ratios", ())
    for item in ratios:
        least = SERVING_STOCK if stock and item["server"] == "feast" else SERVING_ROWS
        workers = "1 worker" if item["workers"] == 1 else f"{item['workers']} workers"
        promise = f"server `{item['server']}`, {workers}: at least {least:.2f} {of_direct}"
        rounds = f" ({min(item['rounds']):.2f} to {max(item['rounds']):.2f})"
        yield _judged(promise, item["throughput"], ge, least, "{:.2f}" + rounds)
    if not ratios:
        for server, least in (("feast", SERVING_STOCK), ("feast-rows", SERVING_ROWS)):
            yield Target(f"server `{server}`: at least {least:.2f} {of_direct}", "", None)


def _scoring(document: Document) -> Iterator[Target]:
    served = next((item for item in document.get("results", ()) if item["title"].startswith("ONNX")), None)
    times, flips, rows = (
        (None, None, 0) if served is None else (1 / served["ratio"], served["flips"], served["rows"])
    )
    fast = f"one row: ONNX at most 1/{SCORING_TIMES} of the scikit-learn pipeline"
    yield _judged(fast, times, ge, SCORING_TIMES, "1/{:.0f}")
    yield _judged("no decision flipped by ONNX", flips, eq, 0, f"{{}} of {rows:,}")


def _registry(document: Document) -> Iterator[Target]:
    ratios = {
        (item["title"].split()[-1], item["views"]): item["ratio"] for item in document.get("results", ())
    }
    read = f"a read with {VIEWS} views in the registry at most {VIEWS_RATIO:.2f} of one with 1"
    yield _judged(f"resolved call: {read}", ratios.get(("resolved", VIEWS)), le, VIEWS_RATIO)


def _judged(
    promise: str, value: Any, holds: Callable[[Any, Any], bool], bound: float, said: str = "{:.2f}"
) -> Target:
    if value is None:
        return Target(promise, "", None)
    return Target(promise, said.format(value), holds(value, bound))
