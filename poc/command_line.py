"""What every script has in common: errors become an exit status and two lines on standard error."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from poc.errors import PocError

INTERRUPTED = 130


def run(main: Callable[[], int | None]) -> None:
    """Call `main` and leave the process with the status that tells how it went.

    0 (or what `main` returned, or where nobody reads the output any more), 1 or 2 for a PocError, whose text
    goes to standard error, 130 for Ctrl-C.
    """
    # A filter would not do: Feast puts its own before it when it is imported. Whoever asks for warnings, by
    # `python -W` or PYTHONWARNINGS, sees them; they speak to the developers of Feast and of what it uses.
    if not sys.warnoptions:
        warnings.showwarning = lambda *warning, **where: None
    try:
        status = main()
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does.
        os._exit(0)
    except PocError as error:
        note(f"✗ {error.what}\n  {error.way_out}")
        status = error.exit_status
    except KeyboardInterrupt:
        note("✗ Interrupted. Nothing is recorded as done that was not: run the same command again.")
        status = INTERRUPTED
    sys.stdout.flush()
    sys.stderr.flush()
    # Feast and the driver leave threads behind that can hold an interpreter's end up for seconds.
    os._exit(0 if status is None else status)


def argument_parser(manual: str | None) -> argparse.ArgumentParser:
    """Make a parser whose --help is `manual`, a script's docstring, as it stands there."""
    return argparse.ArgumentParser(description=manual, formatter_class=argparse.RawTextHelpFormatter)


def ok(text: str) -> None:
    """Say on standard output that something is true. Call it after it is."""
    print(f"✓ {text}", flush=True)


def fail(text: str) -> None:
    """Say on standard output that something did not hold."""
    print(f"✗ {text}", flush=True)


def note(text: object) -> None:
    """Say on standard error what is going on."""
    print(text, file=sys.stderr, flush=True)


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time given on the command line; UTC where it names no zone.

    Of a ValueError argparse makes a usage error.
    """
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)


def parse_duration(text: str) -> timedelta:
    """Read a length of time given on the command line: a number above 0 and s, m, h or d, such as `2h`.

    Of a ValueError argparse makes a usage error.
    """
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    # Six digits: more than a life in days, and less than timedelta can hold.
    if unit not in units or re.fullmatch("[0-9]{1,6}", number) is None or int(number) == 0:
        raise ValueError(text)
    return timedelta(**{units[unit]: int(number)})


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int], None]]:
    """Show on standard error how many things are done; yields the function that counts some more of them."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with progress_console() as console:
        progress = Progress(*columns, console=console)

        def advance(count: int) -> None:
            if not progress.live.is_started:
                progress.start()
                progress.add_task(title, total=None)
            progress.advance(progress.task_ids[0], count)

        try:
            yield advance
        finally:
            if progress.live.is_started:
                progress.stop()


def hide_bars_of_others() -> None:
    """Hide Feast's own progress bars where no terminal shows them. Call it before Feast is imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


@contextmanager
def progress_console() -> Iterator[Console]:
    """Open the console for progress: standard error, so that results can be piped."""
    yield Console(stderr=True)
