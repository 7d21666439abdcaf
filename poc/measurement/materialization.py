"""What bringing rows online takes, by Feast's own engine and the Arrow engine: time, memory, bytes on disk.

Each run is a process of its own into a keyspace of its own; runs of the same size take turns.
"""

import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from poc.command_line import note
from poc.errors import BenchmarkFailed
from poc.feature_store import open_feature_store
from poc.local_cassandra.embedded import start_embedded, stop_embedded
from poc.measurement.core import measured_on
from poc.measurement.one_materialization import GENERATION, materialize, own_repo, write_sources
from poc.measurement.place import ARROW_ENGINE, ROW_STORE, Place
from poc.online_store.acsylla_reads import acsylla_is_installed
from poc.online_store.session import SCHEMA, cassandra_session
from poc.repository import declared_service
from poc.settings import Settings

STOCK = "stock"
# Sizes up to which a method is measured unless all of them are asked for.
MOST_ROWS = {
    STOCK: 10_000,
    "arrow-stock-layout": 100_000,
    "arrow-rows": math.inf,
    # A full run: into a new generation, held to the source, then served.
    "arrow-rows-generation": math.inf,
}
# A way that takes longer at a size is measured once: its run averages over the machine's moods by itself.
LONG_SECONDS = 60.0
SEED = 1
LAYOUTS = {"rows": ROW_STORE, "stock": "cassandra"}
_FLUSH_MILLISECONDS = 1000
_FLUSH_SECONDS = 120.0
# Cassandra's own trees of what it wrote and will merge are not read from, and go.
_PASSING = ("_txn_", "tmp-")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to materialize, and the driver that sends its writes."""

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
    place: Place, sizes: Sequence[int], *, chosen: Sequence[Way], repeats: int, everything: bool = False
) -> dict[str, Any]:
    """Measure the `chosen` ways at every size in `place`, and return the results as a document.

    Every run is told. `repeats` are the runs of each way; one that takes longer than `LONG_SECONDS` gets
    one. With `everything`, slow ways are measured at large sizes, too. `BenchmarkFailed`: a run did not end
    well, or wrote other values than the Parquet's.
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
                    note(f"{rows:,} rows: {way}")
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
        own = [item for item in results if item.items() >= asdict(way).items()]
        speeds = {item["rows"]: item["rows_per_second"] for item in own}
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


def measure_storage(settings: Settings, rows: int, port: int) -> dict[str, Any]:
    """Materialize `rows` entities in both layouts, have them written to disk, and measure the files.

    `rows` are a hundred thousand or more, so that a file's fixed parts do not count. Only a node of one's own
    tells the size of its files: a Cassandra is started at the free `port`, in a temporary folder. Steps are
    told. `BenchmarkFailed`: a materialization did not end well, or Cassandra wrote nothing to disk.
    """
    served = declared_service(settings)
    with TemporaryDirectory() as name:
        folder = Path(name)
        source_bytes = sum(source.stat().st_size for source in write_sources(served, rows, folder))
        note("Starting a Cassandra")
        running = start_embedded(folder / "cassandra", port)
        try:
            with cassandra_session(running.endpoint) as session:
                place = Place(settings, open_feature_store(settings), running.endpoint, session)
                meta = measured_on(session)
                results = []
                for layout in LAYOUTS:
                    note(f"{rows:,} entities, layout {layout}")
                    stored = _stored_bytes(place, folder, layout)
                    result = {"layout": layout, "rows": rows, "bytes": stored}
                    results.append(result | {"bytes_per_entity": round(sum(stored.values()) / rows, 1)})
        finally:
            stop_embedded(folder / "cassandra")
    return {"meta": meta | {"features": len(served.names), "parquet_bytes": source_bytes}, "results": results}


def _stored_bytes(place: Place, folder: Path, layout: str) -> dict[str, int]:
    """Return the bytes of the tables' files by their kind: `Data.db`, `Filter.db` and so on."""
    with own_repo(place, folder, LAYOUTS[layout], {"type": ARROW_ENGINE}) as repo:
        materialize(f"Layout {layout}", repo, folder)
        keyspace, session = repo.name, place.session
        tables = session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
        )
        # A table that is flushed each second is on disk whole a second later, without nodetool.
        flush = f"memtable_flush_period_in_ms = {_FLUSH_MILLISECONDS}"
        for (table,) in tables:
            session.execute(f'ALTER TABLE {keyspace}."{table}" WITH {flush}', execution_profile=SCHEMA)
        return _settled_sizes(folder / "cassandra", keyspace, layout)


def _settled_sizes(cassandra: Path, keyspace: str, layout: str) -> dict[str, int]:
    """Wait until the files have been the same for some flushes, merges included; return their sizes."""
    deadline, same, last = time.monotonic() + _FLUSH_SECONDS, 0, Counter[str]()
    while time.monotonic() < deadline:
        time.sleep(_FLUSH_MILLISECONDS / 1000)
        sizes = Counter[str]()
        for path in cassandra.glob(f"*/node1/data/{keyspace}/*/*.db"):
            if not any(part in path.name for part in _PASSING):
                sizes[path.name.rsplit("-", 1)[-1]] += path.stat().st_size
        same, last = same + 1 if sizes["Data.db"] and sizes == last else 0, sizes
        if same >= 5:
            return dict(sizes)
    raise BenchmarkFailed(f"Layout {layout}", "Cassandra did not write the table to disk")
