"""What several benchmarks come to: what many entities need, for docs/scaling.md, and README's first table."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from poc.measurement.tables import Document, setting_line, storage_table
from poc.output import markdown_table
from poc.pages.performance import wrapped

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
NEEDED = frozenset({"storage", "materialization", "comparison"})
README = Path("README.md")
README_ROWS = Path(__file__).with_name("readme.md")
README_NEEDS = frozenset({"comparison", "materialization", "serving"})


def scaling_page(documents: Mapping[str, Document]) -> str:
    """Write the page from the results in `NEEDED`; a ValueError where one was measured without acsylla."""
    storage = documents["storage"]
    rows = storage["results"][0]["rows"]
    engine = {layout: _engine(documents["materialization"], method) for layout, method in METHODS.items()}
    # Those that client and Cassandra shared.
    cores = documents["materialization"]["meta"]["machine"]["cores"]
    way = ("feast-rows-acsylla", 100)
    results = documents["comparison"]["results"]
    # Single-row reads/s, 100 in flight.
    reads = 10**5 / min(item["mean_ms"] for item in results if (item["method"], item["batch_size"]) == way)
    node = {"node_cores": CORES, "disk": DISK_BYTES / 1e12, "fullest": FULLEST, "busiest": BUSIEST}
    facts = node | {
        "features": storage["meta"]["features"],
        "rows": rows,
        "parquet": storage["meta"]["parquet_bytes"] / rows,
        "cores": cores,
        "copies": COPIES,
        "least": LEAST_NODES,
        "engine": engine["rows"],
        "ten_million": 10**7 / engine["rows"] / 60,
        "hundred_million": 10**8 / engine["rows"] / 3600,
    }
    rates = {f"entities written, layout `{layout}`": rate for layout, rate in engine.items()}
    rates["entities read, layout `rows`"] = reads
    speed = [(what, f"{rate:,.0f}", f"{rate / cores:,.0f}") for what, rate in rates.items()]
    sizes = {item["layout"]: item["bytes_per_entity"] for item in storage["results"]}
    sums = [
        _sum(entities, layout, size, engine[layout] / cores, reads / cores)
        for entities in ENTITIES
        for layout, size in sizes.items()
    ]
    columns = ("entities", "layout", "disk", "nodes for it", "writing all of them", "reads/s, LOCAL_ONE")
    tables = {
        "bytes_table": storage_table(storage),
        "setting": wrapped(setting_line(storage)),
        "speed_table": markdown_table(("", "a second", "a second and core"), speed, aligned=True),
        "sums_table": markdown_table(columns, sums, aligned=True),
    }
    return TEMPLATE.read_text().format_map(facts | tables)


def _engine(materialization: Document, method: str) -> float:
    way = (method, "acsylla")
    fast = (item for item in materialization["results"] if (item["method"], item["driver"]) == way)
    return float(max(fast, key=lambda item: int(item["rows"]))["rows_per_second"])


def _sum(entities: int, layout: str, size: float, writes: float, reads: float) -> tuple[str, ...]:
    """Work out what `entities` of `size` bytes need, at so many writes and reads a second and core."""
    disk = entities * size * COPIES
    nodes = max(LEAST_NODES, math.ceil(disk / (DISK_BYTES * FULLEST)))
    busy_cores = nodes * CORES * BUSIEST
    hours = entities * COPIES / (busy_cores * writes) / 3600
    return (
        f"10^{round(math.log10(entities))}",
        f"`{layout}`",
        f"{disk / 1e12:,.2f} TB",
        str(nodes),
        f"{hours * 60:,.0f} min" if hours < 2 else f"{hours:,.1f} h",
        # Reads were measured on rows of this layout's kind only.
        f"{busy_cores * reads:,.0f}" if layout == "rows" else "",
    )


def readme_page(documents: Mapping[str, Document], text: str) -> str:
    """Return README.md, `text`, with what was measured in its first table; the rest is written by hand.

    Of the results in `README_NEEDS`; a StopIteration where one of them has not measured what a row shows.
    """
    ratios, loads = documents["comparison"]["ratios"], documents["materialization"]["results"]
    ratio = "{p50:.2f} times ({p50_ci95[0]:.2f} to {p50_ci95[1]:.2f})"
    ways = {"feast": "feast", "rows": "feast-rows", "local": "feast-unresolved"}
    calls = {name: ratio.format_map(_one(ratios, method=way, batch_size=1)) for name, way in ways.items()}
    served = [item for item in documents["serving"]["results"] if item["workers"] == 1]
    facts = calls | {
        "stock": _one(loads, method="stock", driver="cassandra-driver", rows=10_000),
        "stock_layout": _one(loads, method="arrow-stock-layout", driver="acsylla", rows=10_000),
        "row_store": _one(loads, method="arrow-rows", driver="acsylla", rows=10_000),
        "served": {item["server"]: f"{item['requests_per_second']:,.0f}" for item in served},
        "cores": documents["serving"]["meta"]["machine"]["cores"],
    }
    for row in README_ROWS.read_text().format_map(facts).splitlines():
        # A row is found by its first cell.
        name = row.split(" | ")[0]
        text = re.sub(rf"(?m)^{re.escape(name)} \|.*$", row, text)
    return text


def _one(results: list[Document], **wanted: object) -> Document:
    return next(item for item in results if wanted.items() <= item.items())
