"""What the comparison is told on its command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poc.comparison.comparison import Request
from poc.comparison.measure import LEAST_ROUNDS
from poc.comparison.methods import BASELINE, KNOWN, ON_REQUEST

DEFAULT_REQUESTS = 1000
DEFAULT_BATCH_SIZES = (1, 10, 100)
DEFAULT_SEED = 1
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

    Args:
        manual: the `--help`.
        data_dir: where results go unless told otherwise.
        given: the words after the script's name.
    """
    parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--requests",
        type=_requests,
        default=DEFAULT_REQUESTS,
        metavar="N",
        help="reads of one transaction each way; a batch of n gets N/n, but at least"
        f" {LEAST_ROUNDS} or N, whichever is less (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=_batch_sizes,
        default=DEFAULT_BATCH_SIZES,
        metavar="N,N,...",
        help=f"transactions a read (default: {','.join(map(str, DEFAULT_BATCH_SIZES))})",
    )
    parser.add_argument(
        "--methods",
        type=_methods,
        metavar="NAME,NAME,...",
        help=f"ways to read beside {BASELINE}: {', '.join(OTHERS)}"
        f" (default: all that can be had but {' and '.join(ON_REQUEST)})",
    )
    parser.add_argument(
        "--with",
        type=_methods,
        default=(),
        dest="also",
        metavar="NAME,NAME,...",
        help="ways to read beside the default ones",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=data_dir / "comparison.json",
        metavar="FILE",
        help="numbers (default: %(default)s)",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        default=data_dir / "comparison.png",
        metavar="FILE",
        help="picture, a PNG (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        default=DEFAULT_SEED,
        metavar="N",
        help="which transactions are read, and in which order (default: %(default)s)",
    )
    parsed = parser.parse_args(given)
    if parsed.json.resolve() == parsed.plot.resolve():
        parser.error(f"--json and --plot both name {parsed.json}")
    request = Request(parsed.requests, parsed.batch_sizes, parsed.seed, parsed.methods, parsed.also)
    return Arguments(request, parsed.json, parsed.plot)


def _requests(text: str) -> int:
    return _whole_number(text, 1, MOST_REQUESTS)


def _batch_sizes(text: str) -> tuple[int, ...]:
    sizes = [_whole_number(part, 1, MOST_REQUESTS) for part in text.split(",")]
    return tuple(dict.fromkeys(sizes))


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in OTHERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(OTHERS)}")
    return names


def _seed(text: str) -> int:
    return _whole_number(text, 0, 2**32 - 1)


def _whole_number(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most:,}")
    return number
