"""What the scripts that measure share: options, where results go, and how they are shown."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from poc.command_line import MOST, argument_parser, ok, whole_number, whole_numbers
from poc.feature_store import repo_yaml
from poc.measurement.comparison import BASELINE, KNOWN, ON_REQUEST, Request
from poc.measurement.core import LEAST_ROUNDS
from poc.measurement.tables import Document, setting_line
from poc.output import require_writable, write_json
from poc.settings import Settings

MOST_REQUESTS = 1_000_000
OTHERS = [name for name in KNOWN if name != BASELINE]

Number = tuple[str, int | tuple[int, ...], str]


def measurement_parser(
    manual: str | None, json: Path, *numbers: Number, most: int = MOST
) -> argparse.ArgumentParser:
    """Return the parser of a script that writes its results to `json` unless told otherwise.

    `numbers` are options, what they are by default (several numbers: as many as one likes), what they mean;
    none may be above `most`.
    """
    parser = argument_parser(manual)
    for option, default, meaning in numbers:
        several = isinstance(default, tuple)
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        parser.add_argument(
            option,
            type=partial(whole_numbers if several else whole_number, most=most),
            default=default,
            metavar="N,N,..." if several else "N",
            help=f"{meaning} (default: {shown})",
        )
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    return parser


def read_request(
    manual: str | None, data_dir: Path, given: Sequence[str] | None = None
) -> tuple[Request, Path, Path]:
    """Parse `given`, or the command line, of the comparison; leave the process with status 2 and the reason.

    Returns the request, and where its numbers and its picture go: to `data_dir` unless told otherwise.
    """
    least = f"a batch of n gets N/n, but at least {LEAST_ROUNDS} or N, whichever is less"
    parser = measurement_parser(
        manual,
        data_dir / "comparison.json",
        ("--requests", 1000, f"reads of one transaction each way; {least}"),
        ("--batch-sizes", (1, 10, 100), "transactions a read"),
        most=MOST_REQUESTS,
    )
    names = f"ways to read beside {BASELINE}: {', '.join(OTHERS)}"
    all_but = f"(default: all that can be had but {' and '.join(ON_REQUEST)})"
    ways = partial(parser.add_argument, type=_methods, metavar="NAME,NAME,...")
    ways("--methods", help=f"{names} {all_but}")
    ways("--with", dest="also", default=(), help="ways to read beside the default ones")
    plot = data_dir / "comparison.png"
    picture = f"picture, a PNG (default: {plot})"
    parser.add_argument("--plot", type=Path, default=plot, metavar="FILE", help=picture)
    seed = partial(whole_number, least=0, most=2**32 - 1)
    drawn = "which transactions are read, and in which order (default: 1)"
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help=drawn)
    parsed = parser.parse_args(given)
    if parsed.json.resolve() == parsed.plot.resolve():
        parser.error(f"--json and --plot both name {parsed.json}")
    request = Request(parsed.requests, parsed.batch_sizes, parsed.seed, parsed.methods, parsed.also)
    return request, parsed.json, parsed.plot


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in OTHERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(OTHERS)}")
    return names


def require_results(settings: Settings, *paths: Path) -> None:
    """Raise what says that results cannot be written to `paths`, or that there is nothing here to measure.

    The repository is looked for first: where there is none, no folder is made for results.
    """
    repo_yaml(settings)
    for path in paths:
        require_writable(path)


def show(found: Document, table: Callable[[Document], str], path: Path) -> None:
    """Print a benchmark's document as a table, and write it as JSON to `path`."""
    print(f"{setting_line(found)}\n\n{table(found)}\n")
    write_json(found, path)
    ok(f"Numbers: {path}")
