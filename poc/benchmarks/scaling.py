"""docs/scaling.md: what many entities need, worked out from what was measured of one."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from poc.benchmarks.page import filled
from poc.benchmarks.report import Document, setting_line, storage_table
from poc.comparison.report import markdown_table

PAGE = Path("docs/scaling.md")
# Its prose; braces name what is measured or worked out.
TEMPLATE = Path(__file__).with_name("scaling.md")

ENTITIES = (10**8, 10**10)
COPIES = 3
# What a node of the arithmetic is; another one is another line of the same sums.
CORES = 16
DISK_BYTES = 2 * 10**12
# Of the disk; merging files needs room for both the old and the new ones.
FULLEST = 0.5
# Of the time; the rest is for merging files, repair and a node that is down.
BUSIEST = 0.5
LEAST_NODES = 3
METHODS = {"rows": "arrow-rows", "stock": "arrow-stock-layout"}


@dataclass(frozen=True, slots=True)
class Measured:
    """What the arithmetic starts from: bytes on one node's disk and rows/s of the Arrow engine, by layout.

    `cores` are those that client and Cassandra shared; `reads` are single-row reads/s, 100 in flight.
    """

    bytes_per_entity: Mapping[str, float]
    engine: Mapping[str, float]
    cores: int
    reads: float


NEEDED = frozenset({"storage", "materialization", "comparison"})


def scaling_page(documents: Mapping[str, Document]) -> str:
    """Write the page from the results of `storage`, `materialization` and `comparison`.

    Raises:
        KeyError: one of them is not there.
        ValueError: one was measured without acsylla.
    """
    storage, found = documents["storage"], _measured(documents)
    rows = storage["results"][0]["rows"]
    node = {"node_cores": CORES, "disk": DISK_BYTES / 1e12, "fullest": FULLEST, "busiest": BUSIEST}
    facts = node | {
        "features": storage["meta"]["features"],
        "rows": rows,
        "parquet": storage["meta"]["parquet_bytes"] / rows,
        "cores": found.cores,
        "copies": COPIES,
        "least": LEAST_NODES,
        "engine": found.engine["rows"],
        "ten_million": 10**7 / found.engine["rows"] / 60,
        "hundred_million": 10**8 / found.engine["rows"] / 3600,
    }
    rates = {f"entities written, layout `{layout}`": rate for layout, rate in found.engine.items()}
    rates["entities read, layout `rows`"] = found.reads
    speed = [(what, f"{rate:,.0f}", f"{rate / found.cores:,.0f}") for what, rate in rates.items()]
    columns = ("entities", "layout", "disk", "nodes for it", "writing all of them", "reads/s, LOCAL_ONE")
    tables = {
        "bytes_table": storage_table(storage),
        "setting": filled(setting_line(storage)),
        "speed_table": markdown_table(("", "a second", "a second and core"), speed),
        "sums_table": markdown_table(columns, list(_sums(found))),
    }
    return TEMPLATE.read_text().format_map(facts | tables)


def _measured(documents: Mapping[str, Document]) -> Measured:
    """Take from the results what the arithmetic starts from."""
    comparison = documents["comparison"]
    reads = min(
        item["mean_ms"]
        for item in comparison["results"]
        if (item["method"], item["batch_size"]) == ("feast-rows-acsylla", 100)
    )
    return Measured(
        {item["layout"]: item["bytes_per_entity"] for item in documents["storage"]["results"]},
        {layout: _engine(documents["materialization"], method) for layout, method in METHODS.items()},
        documents["materialization"]["meta"]["machine"]["cores"],
        100 / (reads / 1000),
    )


def _engine(materialization: Document, method: str) -> float:
    way = (method, "acsylla")
    fast = (item for item in materialization["results"] if (item["method"], item["driver"]) == way)
    return float(max(fast, key=lambda item: int(item["rows"]))["rows_per_second"])


def _sums(found: Measured) -> Iterator[tuple[str, ...]]:
    for entities in ENTITIES:
        for layout, size in found.bytes_per_entity.items():
            disk = entities * size * COPIES
            nodes = max(LEAST_NODES, math.ceil(disk / (DISK_BYTES * FULLEST)))
            busy_cores = nodes * CORES * BUSIEST
            hours = entities * COPIES / (busy_cores * found.engine[layout] / found.cores) / 3600
            # Reads were measured on rows of this layout's kind only.
            reads = f"{busy_cores * found.reads / found.cores:,.0f}" if layout == "rows" else ""
            yield (
                f"10^{round(math.log10(entities))}",
                f"`{layout}`",
                f"{disk / 1e12:,.2f} TB",
                str(nodes),
                f"{hours * 60:,.0f} min" if hours < 2 else f"{hours:,.1f} h",
                reads,
            )
