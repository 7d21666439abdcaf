"""What was promised of the pieces, held to what was measured.

A target is a line of the issue that asked for the piece: "Feast as fast as direct Cassandra".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]

BASELINE, DIRECT_IN = "direct-cassandra", "direct-cassandra-in"
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
_STATISTICS = {"mean": "mean", "p50": "P50", "p99": "P99"}
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
SCORING_RATIO = 1 / 50
VIEWS, VIEWS_RATIO = 200, 1.05
# Of the direct server's predictions a second, on the stock layout and on the row store.
SERVING_STOCK, SERVING_ROWS = 0.88, 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """One promise.

    Attributes:
        promise: what was to be reached.
        measured: what was.
        met: whether it was reached; None where it was not measured.
    """

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
        "comparison": read_targets,
        "materialization": materialization_targets,
        "serving": serving_targets,
        "scoring": scoring_targets,
        "registry": registry_targets,
    }
    return [target for name, judge in judges.items() for target in judge(documents.get(name, {}))]


def read_targets(document: Document) -> Iterator[Target]:
    """Judge the ways to read."""
    ratios = {(item["method"], item["batch_size"]): item for item in document.get("ratios", ())}
    for method, size, statistic, other, most in READS:
        own, others = ratios.get((method, size)), ratios.get((other, size))
        value, interval = None, ""
        if own is not None and other == BASELINE:
            value = own[statistic]
            if statistic == "p50":
                interval = f" ({own['p50_ci95'][0]:.2f} to {own['p50_ci95'][1]:.2f})"
        elif own is not None and others is not None:
            value = own[statistic] / others[statistic]
        yield _at_most(
            f"`{method}` at n={size}: {_STATISTICS[statistic]} at most {most:.2f} of `{other}`",
            value,
            most,
            interval,
        )


def materialization_targets(document: Document) -> Iterator[Target]:
    """Judge the speed at 10,000 rows, and time and memory at a million."""
    results = {(item["method"], item["driver"], item["rows"]): item for item in document.get("results", ())}
    for method, driver, least in MATERIALIZATION:
        found = results.get((method, driver, MATERIALIZATION_ROWS))
        faster = None if found is None else found["times_as_fast_as_stock"]
        yield Target(
            f"{MATERIALIZATION_ROWS:,} rows, `{method}` with {driver}:"
            f" at least {least} times as fast as `stock`",
            "" if faster is None else f"{faster:.1f} times",
            None if faster is None else faster >= least,
        )
    for driver in ("acsylla", "cassandra-driver"):
        many = results.get(("arrow-rows", driver, MANY_ROWS))
        few = results.get(("arrow-rows", driver, MATERIALIZATION_ROWS))
        speed = None if many is None or few is None else many["rows_per_second"] / few["rows_per_second"]
        yield Target(
            f"{MANY_ROWS:,} rows, `arrow-rows` with {driver}: linear, at least {LINEAR} of the rows/s at"
            f" {MATERIALIZATION_ROWS:,}",
            "" if speed is None else f"{speed:.2f}",
            None if speed is None else speed >= LINEAR,
        )
        yield Target(
            f"{MANY_ROWS:,} rows, `arrow-rows` with {driver}: peak memory under {MOST_MIB} MiB",
            "" if many is None else f"{many['peak_mib']:,} MiB",
            None if many is None else many["peak_mib"] < MOST_MIB,
        )


def serving_targets(document: Document) -> Iterator[Target]:
    """Judge the Feast server's throughput, for each number of workers that was measured."""
    of_direct = "of the direct server's predictions a second"
    stock = document.get("meta", {}).get("online_store") == "cassandra"
    ratios = document.get("ratios", ())
    for item in ratios:
        least = SERVING_STOCK if stock and item["server"] == "feast" else SERVING_ROWS
        rounds = f" ({min(item['rounds']):.2f} to {max(item['rounds']):.2f})"
        workers = "1 worker" if item["workers"] == 1 else f"{item['workers']} workers"
        yield Target(
            f"server `{item['server']}`, {workers}: at least {least:.2f} {of_direct}",
            f"{item['throughput']:.2f}{rounds}",
            item["throughput"] >= least,
        )
    if not ratios:
        for server, least in (("feast", SERVING_STOCK), ("feast-rows", SERVING_ROWS)):
            yield Target(f"server `{server}`: at least {least:.2f} {of_direct}", "", None)


def scoring_targets(document: Document) -> Iterator[Target]:
    """Judge ONNX against the pipeline."""
    served = next((item for item in document.get("results", ()) if item["title"].startswith("ONNX")), None)
    yield Target(
        "one row: ONNX at most 1/50 of the scikit-learn pipeline",
        "" if served is None else f"1/{1 / served['ratio']:.0f}",
        None if served is None else served["ratio"] <= SCORING_RATIO,
    )
    yield Target(
        "no decision flipped by ONNX",
        "" if served is None else f"{served['flips']} of {served['rows']:,}",
        None if served is None else served["flips"] == 0,
    )


def registry_targets(document: Document) -> Iterator[Target]:
    """Judge the resolved call at many views."""
    resolved = next(
        (
            item
            for item in document.get("results", ())
            if item["title"].endswith("resolved") and item["views"] == VIEWS
        ),
        None,
    )
    yield _at_most(
        f"resolved call: a read with {VIEWS} views in the registry at most {VIEWS_RATIO:.2f} of one with 1",
        None if resolved is None else resolved["ratio"],
        VIEWS_RATIO,
    )


def _at_most(promise: str, value: float | None, most: float, more: str = "") -> Target:
    if value is None:
        return Target(promise, "", None)
    return Target(promise, f"{value:.2f}{more}", value <= most)
