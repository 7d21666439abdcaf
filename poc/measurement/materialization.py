"""How long it takes to bring rows online, and how much memory: Feast's own engine and the Arrow engine.

Each run is a process of its own into a keyspace of its own; runs of the same size take turns.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from poc.measurement.core import measured_on
from poc.measurement.one_materialization import GENERATION, materialize, own_repo, write_sources
from poc.measurement.place import ARROW_ENGINE, ROW_STORE, Place
from poc.online_store.acsylla_reads import acsylla_is_installed
from poc.repository import declared_service

STOCK = "stock"
# Sizes up to which a method is measured unless all of them are asked for.
MOST_ROWS = {
    STOCK: 10_000,
    "arrow-stock-layout": 100_000,
    "arrow-rows": math.inf,
    # A full run: into a new generation, held to the source, then served.
    "arrow-rows-generation": math.inf,
}
REPEATS = 3
# A way that takes longer at a size is measured once: its run averages over the machine's moods by itself.
LONG_SECONDS = 60.0
SEED = 1


@dataclass(frozen=True, slots=True)
class Way:
    """One way to materialize: the method, and the driver that sends its writes."""

    method: str
    driver: str

    def __str__(self) -> str:
        return f"{self.method}, {self.driver}"


@dataclass(frozen=True, slots=True)
class Run:
    """One materialization: from Feast's call until it returned, and the most memory that its process held.

    One into a new generation ends when that is served. What was held before is that with Feast loaded.
    """

    way: Way
    rows: int
    seconds: float
    peak_mib: float
    before_mib: float


def ways() -> tuple[Way, ...]:
    """Return the ways there are on this machine."""
    drivers = ["cassandra-driver"] + (["acsylla"] if acsylla_is_installed() else [])
    arrow = [Way(method, driver) for method in MOST_ROWS if method != STOCK for driver in drivers]
    return (Way(STOCK, "cassandra-driver"), *arrow)


def measure_materialization(
    place: Place,
    sizes: Sequence[int],
    *,
    chosen: Sequence[Way],
    repeats: int = REPEATS,
    everything: bool = False,
    announce: Callable[[str], object] = lambda what: None,
) -> dict[str, Any]:
    """Measure the `chosen` ways at every size, and return the results as a document.

    Every run gets a keyspace of its own in `place`, dropped afterwards, and is announced. `repeats` are the
    runs of each way; one that takes longer than `LONG_SECONDS` gets one. With `everything`, slow ways are
    measured at large sizes, too. `BenchmarkFailed`: a run did not end well, or wrote other values than the
    Parquet's.
    """
    meta, served = measured_on(place.session), declared_service(place.settings)
    runs: list[Run] = []
    with TemporaryDirectory() as name:
        for rows in sizes:
            folder, draw = Path(name) / str(rows), random.Random(SEED)
            write_sources(served, rows, folder)
            measured = [way for way in chosen if everything or rows <= MOST_ROWS[way.method]]
            for _ in range(repeats):
                # An order that is drawn anew each time: a slow minute of the machine meets all alike.
                for way in draw.sample(measured, len(measured)):
                    announce(f"{rows:,} rows: {way}")
                    runs.append(_run(place, folder, way, rows))
                    if runs[-1].seconds > LONG_SECONDS:
                        measured.remove(way)
    results = summarized(runs)
    return {
        "meta": meta | {"repeats": repeats, "features": len(served.names)},
        "results": results,
        "left_out": left_out(results, sizes, chosen),
    }


def summarized(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return each way's median at each size, and how many times as fast as Feast's own engine it is there."""
    order, grouped = ways(), dict[tuple[int, Way], list[Run]]()
    for run in sorted(runs, key=lambda run: (run.rows, order.index(run.way))):
        grouped.setdefault((run.rows, run.way), []).append(run)
    medians = {key: statistics.median(run.seconds for run in group) for key, group in grouped.items()}
    stock = {rows: median for (rows, way), median in medians.items() if way.method == STOCK}
    return [
        {
            **asdict(way),
            "rows": rows,
            "seconds": [round(run.seconds, 3) for run in group],
            "median_seconds": round(medians[rows, way], 3),
            "rows_per_second": round(rows / medians[rows, way]),
            "times_as_fast_as_stock": round(stock[rows] / medians[rows, way], 2) if rows in stock else None,
            "peak_mib": round(max(run.peak_mib for run in group)),
            "before_mib": round(max(run.before_mib for run in group)),
        }
        for (rows, way), group in grouped.items()
    ]


def left_out(
    results: Sequence[Mapping[str, Any]], sizes: Sequence[int], chosen: Sequence[Way]
) -> list[dict[str, Any]]:
    """Return what was not measured, and how long it would take at the largest size's rows a second."""
    missing = []
    for way in chosen:
        speeds = {
            item["rows"]: item["rows_per_second"] for item in results if item.items() >= asdict(way).items()
        }
        for rows in sizes:
            if rows not in speeds:
                minutes = round(rows / speeds[max(speeds)] / 60, 1) if speeds else None
                missing.append({**asdict(way), "rows": rows, "would_take_minutes": minutes})
    return missing


def _run(place: Place, folder: Path, way: Way, rows: int) -> Run:
    kind = ROW_STORE if way.method.startswith("arrow-rows") else "cassandra"
    options = (GENERATION,) if way.method == "arrow-rows-generation" else ()
    engine = {"type": "local"} if way.method == STOCK else {"type": ARROW_ENGINE, "driver": way.driver}
    with own_repo(place, folder, kind, engine) as repo:
        return Run(way, rows, **materialize(f"{way}, {rows:,} rows", repo, folder, *options))
