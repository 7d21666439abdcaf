"""The benchmarks' documents as tables: one function a benchmark, for the terminal and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from poc.comparison.markdown import markdown_table

Document = Mapping[str, Any]


def setting_line(document: Document) -> str:
    """Say on what it was measured, and when."""
    meta = document["meta"]
    machine = meta["machine"]
    versions = ", ".join(
        f"{name.replace('_', '-')} {value}" for name, value in meta["versions"].items() if value is not None
    )
    return (
        f"Measured {meta['time'][:10]} on {machine['cpu']}, {machine['cores']} cores,"
        f" {machine['memory_gib']} GiB, {machine['system']}; {versions}."
    )


def read_tables(document: Document) -> str:
    """Give the ratios of all ways to read, then their latencies at each batch size."""
    titles = {item["name"]: item["title"] for item in document["methods"]}
    sizes = list(dict.fromkeys(item["batch_size"] for item in document["results"]))
    ratios = {(item["method"], item["batch_size"]): item for item in document["ratios"]}
    rows = []
    for name, title in titles.items():
        cells = [f"`{name}`", title]
        unmeasured = "" if any(method == name for method, _ in ratios) else "1"
        for size in sizes:
            ratio = ratios.get((name, size))
            cells.append(unmeasured if ratio is None else _with_interval(ratio["p50"], ratio["p50_ci95"]))
        single = ratios.get((name, 1))
        cells.append(unmeasured if single is None else f"{single['p99']:.2f}")
        rows.append(cells)
    columns = ("method", "in words", *(f"P50, n={size}" for size in sizes), "P99, n=1")
    parts = [markdown_table(columns, rows)]
    for size in sizes:
        measured = [item for item in document["results"] if item["batch_size"] == size]
        lines = [
            (
                titles[item["method"]],
                f"{item['requests']:,}",
                *(f"{item[key]:.2f}" for key in ("mean_ms", "p50_ms", "p95_ms", "p99_ms")),
            )
            for item in measured
        ]
        what = "1 transaction" if size == 1 else f"{size:,} transactions"
        heading = f"Milliseconds, {what} a read:"
        parts += [heading, markdown_table(("method", "reads", "mean", "P50", "P95", "P99"), lines)]
    return "\n\n".join(parts)


def materialization_table(document: Document) -> str:
    """Give each way's speed and memory at each size, and what was left out."""
    rows = [
        (
            f"{item['rows']:,}",
            f"`{item['method']}`",
            item["driver"],
            "" if item["times_as_fast_as_stock"] is None else f"{item['times_as_fast_as_stock']:.1f}",
            f"{item['median_seconds']:.2f}",
            f"{item['rows_per_second']:,}",
            f"{item['peak_mib']:,}",
            f"{item['before_mib']:,}",
        )
        for item in document["results"]
    ]
    columns = (
        "rows",
        "method",
        "driver",
        "times as fast as stock",
        "seconds",
        "rows/s",
        "peak MiB",
        "before, MiB",
    )
    parts = [markdown_table(columns, rows)]
    lines = [
        f"- `{item['method']}` with {item['driver']}, {item['rows']:,} rows: left out"
        + (
            "."
            if item["would_take_minutes"] is None
            else f"; at the speed of its largest size it would take {item['would_take_minutes']:.0f} minutes."
        )
        for item in document["left_out"]
    ]
    return "\n\n".join([*parts, "\n".join(lines)] if lines else parts)


def serving_table(document: Document) -> str:
    """Give each server's throughput and latencies, by number of workers."""
    ratios = {(item["server"], item["workers"]): item for item in document["ratios"]}
    rows = []
    for item in document["results"]:
        ratio = ratios.get((item["server"], item["workers"]))
        rounds = () if ratio is None else (min(ratio["rounds"]), max(ratio["rounds"]))
        rows.append(
            (
                str(item["workers"]),
                f"`{item['server']}`",
                "1" if ratio is None else _with_interval(ratio["throughput"], rounds),
                f"{item['requests_per_second']:,.0f}",
                *(f"{item[key]:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms")),
                str(item["errors"]),
            )
        )
    columns = ("workers", "server", "throughput", "predictions/s", "P50 ms", "P95 ms", "P99 ms", "errors")
    return markdown_table(columns, rows)


def scoring_table(document: Document) -> str:
    """Give the time to score one row, and how often the decision differs from scikit-learn's."""
    rows = [
        (
            item["title"],
            "1" if item["ratio"] is None else f"1/{1 / item['ratio']:.0f}",
            f"{item['p50_ms']:.3f}",
            f"{item['p99_ms']:.3f}",
            f"{item['flips']} of {item['rows']:,}",
            f"{item['largest_difference']:.1e}",
        )
        for item in document["results"]
    ]
    columns = ("way", "ratio", "P50 ms", "P99 ms", "decisions flipped", "largest difference")
    return markdown_table(columns, rows)


def registry_table(document: Document) -> str:
    """Give the time of one read by the number of views in the registry, and its ratio to one view."""
    titles = dict.fromkeys(item["title"] for item in document["results"])
    by_place = {(item["title"], item["views"]): item for item in document["results"]}
    views = list(dict.fromkeys(item["views"] for item in document["results"]))
    rows = []
    for title in titles:
        cells = [title]
        for count in views:
            item = by_place[title, count]
            cells.append(f"{item['p50_ms']:.2f}")
            if item["ratio"] is not None:
                cells.append(_with_interval(item["ratio"], item["ratio_ci95"]))
        rows.append(cells)
    columns = ["read"]
    for count in views:
        columns.append(f"{count} {'view' if count == 1 else 'views'}, P50 ms")
        if count != views[0]:
            columns.append("ratio")
    return markdown_table(columns, rows)


def storage_table(document: Document) -> str:
    """Give the bytes that an entity takes on one node's disk, in each layout, by kind of file."""
    kinds = sorted({kind for item in document["results"] for kind in item["bytes"]})
    # Data first, then whatever else takes a byte an entity or more.
    kinds.sort(key=lambda kind: kind != "Data.db")
    kept = [
        kind
        for kind in kinds
        if any(item["bytes"].get(kind, 0) >= item["rows"] for item in document["results"])
    ]
    rows = []
    for item in document["results"]:
        parts = [f"{item['bytes'].get(kind, 0) / item['rows']:.1f}" for kind in kept]
        rows.append(
            (
                f"`{item['layout']}`",
                f"{item['bytes_per_entity']:.0f}",
                *parts,
                f"{item['bytes_per_entity'] * 1e6 / 2**20:,.0f}",
            )
        )
    columns = ("layout", "bytes an entity", *(f"of it `{kind}`" for kind in kept), "MiB a million entities")
    return markdown_table(columns, rows)


def _with_interval(value: float, interval: Sequence[float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
