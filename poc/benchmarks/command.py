"""What the benchmarks' scripts have in common: numbers that they are told, a JSON file, a table."""

import argparse
from collections.abc import Callable
from pathlib import Path

from poc.arguments import whole_number, whole_numbers
from poc.benchmarks.report import Document, setting_line
from poc.command_line import argument_parser, ok
from poc.output import write_json

Number = tuple[str, int | tuple[int, ...], str]


def benchmark_parser(
    manual: str | None, name: str, data_dir: Path, *numbers: Number
) -> argparse.ArgumentParser:
    """Make the parser of one benchmark.

    Args:
        manual: the script's docstring.
        name: of the benchmark, and so of its results.
        data_dir: where they go unless told otherwise.
        numbers: options, what they are by default (several numbers: as many as one likes), what they mean.
    """
    parser = argument_parser(manual)
    for option, default, meaning in numbers:
        several = isinstance(default, tuple)
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        parser.add_argument(
            option,
            type=whole_numbers if several else whole_number,
            default=default,
            metavar="N,N,..." if several else "N",
            help=f"{meaning} (default: {shown})",
        )
    json = data_dir / "benchmarks" / f"{name}.json"
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    return parser


def show(found: Document, table: Callable[[Document], str], path: Path) -> None:
    """Print a benchmark's document as a table, and write it as JSON to `path`."""
    print(f"{setting_line(found)}\n\n{table(found)}\n")
    write_json(found, path)
    ok(f"Numbers: {path}")
