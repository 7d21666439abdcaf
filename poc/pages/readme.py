"""The measured rows of README.md's first table; the rest of that page is written by hand."""

import re
from collections.abc import Mapping
from pathlib import Path

from poc.measurement.tables import Document

PAGE = Path("README.md")
NEEDED = frozenset({"comparison", "materialization", "serving"})


def readme_page(documents: Mapping[str, Document], text: str) -> str:
    """Return the page `text` with what was measured in its rows, each of which is found by its first cell.

    Raises:
        KeyError: a benchmark of NEEDED is not there.
        StopIteration: one of them has not measured what a row shows.
    """
    for name, measured in _rows(documents).items():
        text = re.sub(rf"(?m)^\| {re.escape(name)} \|.*$", f"| {name} | {measured} |", text)
    return text


def _rows(documents: Mapping[str, Document]) -> dict[str, str]:
    ratios, loads = documents["comparison"]["ratios"], documents["materialization"]["results"]
    feast, rows, local = (
        "{p50:.2f} times ({p50_ci95[0]:.2f} to {p50_ci95[1]:.2f})".format_map(
            _one(ratios, method=method, batch_size=1)
        )
        for method in ("feast", "feast-rows", "feast-unresolved")
    )
    stock, stock_layout, row_store = (
        _one(loads, method=method, driver=driver, rows=10_000)
        for method, driver in (
            ("stock", "cassandra-driver"),
            ("arrow-stock-layout", "acsylla"),
            ("arrow-rows", "acsylla"),
        )
    )
    served = {item["server"]: item for item in documents["serving"]["results"] if item["workers"] == 1}
    speed = {server: f"{item['requests_per_second']:,.0f}" for server, item in served.items()}
    return {
        "Feast's own call, against a direct read": f"{feast} as long at the median; on the row store {rows};"
        f" with Feast's `provider: local` {local}",
        "Materialization, against stock Feast": "10,000 rows"
        f" {stock_layout['times_as_fast_as_stock']:.0f} times as fast into the same tables,"
        f" {row_store['times_as_fast_as_stock']:.0f} times into the row store:"
        f" {stock['median_seconds']:.1f} s, {stock_layout['median_seconds']:.1f} s,"
        f" {row_store['median_seconds']:.1f} s",
        "Predictions a second": f"{speed['feast']} through Feast, {speed['feast-rows']} on the row store,"
        f" {speed['direct']} with direct reads: one worker,"
        f" {documents['serving']['meta']['machine']['cores']} cores shared with load tool and Cassandra",
    }


def _one(results: list[Document], **wanted: object) -> Document:
    return next(item for item in results if wanted.items() <= item.items())
