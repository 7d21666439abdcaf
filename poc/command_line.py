"""What every script has in common: errors become an exit status and two lines on standard error."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from poc.errors import PocError

INTERRUPTED = 130


def run(main: Callable[[], int | None]) -> None:
    """Call `main` and leave the process with the status that tells how it went.

    0 (or what `main` returned), 1 or 2 for a `PocError` (its text goes to standard error), 130 for Ctrl-C.
    """
    try:
        status = main()
    except PocError as error:
        print(f"✗ {error.what}\n  {error.way_out}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        print("✗ Interrupted. Nothing is recorded as done that was not: run the same command again.", file=sys.stderr)
        status = INTERRUPTED
    sys.stdout.flush()
    sys.stderr.flush()
    # Feast and the driver leave threads behind that can hold an interpreter's end up for seconds.
    os._exit(0 if status is None else status)


def ok(text: str) -> None:
    """Say on standard output that something is true. Call it after it is."""
    print(f"✓ {text}", flush=True)


def fail(text: str) -> None:
    """Say on standard output that something did not hold."""
    print(f"✗ {text}", flush=True)


@contextmanager
def progress_console() -> Iterator[Console]:
    """Give the console for progress: standard error, so that results can be piped."""
    yield Console(stderr=True)
