"""What the comparison is told on its command line."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poc.comparison.comparison import Request
from poc.comparison.measure import LEAST_ROUNDS
from poc.comparison.methods import BASELINE, KNOWN, ON_REQUEST

DEFAULT_BATCH_SIZES = (1, 10, 100)
MOST_REQUESTS = 1_000_000
OTHERS = tuple(name for name in KNOWN if name != BASELINE)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The request, and where its results go."""

    request: Request
    json: Path
    plot: Path


def read_arguments(manual: str, data_dir: Path, given: Sequence[str] | None = None) -> Arguments:
    """Parse `given`, or the command line; leave the process with status 2 and a line that says why not.

    `manual` is the `--help`; results go to `data_dir` unless told otherwise.
    """
    parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add(name: str, read: Callable[[str], object], metavar: str, what: str, default: Any = None) -> None:
        said = what if default is None or "(default: " in what else f"{what} (default: %(default)s)"
        parser.add_argument(name, type=read, default=default, metavar=metavar, help=said)

    reads = "reads of one transaction each way; a batch of n gets N/n, but at least"
    reads += f" {LEAST_ROUNDS} or N, whichever is less"
    add("--requests", _whole_number(1, MOST_REQUESTS), "N", reads, 1000)
    sizes = f"transactions a read (default: {','.join(map(str, DEFAULT_BATCH_SIZES))})"
    add("--batch-sizes", _batch_sizes, "N,N,...", sizes, DEFAULT_BATCH_SIZES)
    ways = f"ways to read beside {BASELINE}: {', '.join(OTHERS)}"
    ways += f" (default: all that can be had but {' and '.join(ON_REQUEST)})"
    add("--methods", _methods, "NAME,NAME,...", ways)
    add("--with", _methods, "NAME,NAME,...", "ways to read beside the default ones")
    add("--json", Path, "FILE", "numbers", data_dir / "comparison.json")
    add("--plot", Path, "FILE", "picture, a PNG", data_dir / "comparison.png")
    drawn = "which transactions are read, and in which order"
    add("--seed", _whole_number(0, 2**32 - 1), "N", drawn, 1)
    parsed = parser.parse_args(given)
    if parsed.json.resolve() == parsed.plot.resolve():
        parser.error(f"--json and --plot both name {parsed.json}")
    also = getattr(parsed, "with") or ()
    request = Request(parsed.requests, parsed.batch_sizes, parsed.seed, parsed.methods, also)
    return Arguments(request, parsed.json, parsed.plot)


def _batch_sizes(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(_whole_number(1, MOST_REQUESTS), text.split(","))))


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in OTHERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(OTHERS)}")
    return names


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most:,}")
        return number

    return read
