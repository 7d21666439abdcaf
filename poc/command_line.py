"""What programs here have in common: what they are told, say and log; how an error becomes an exit status."""

import argparse
import codecs
import json
import logging
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from colorama import Fore, Style

from poc.errors import PocError

INTERRUPTED = 130
# A shell says so of what SIGPIPE ends.
READER_LEFT = 141
DEBUG = "--debug"
# The largest number that an option takes.
MOST = 100_000_000


def run(main: Callable[[], int | None]) -> None:
    """Call `main` and leave the process with the status that tells how it went.

    0 (or what `main` returned), 1 or 2 for a PocError, whose text goes to standard error, 130 for Ctrl-C, 141
    where nobody reads the output any more. What nobody foresaw is 1: its traceback goes to a file, and to
    standard error with `--debug`.
    """
    _open_what_is_closed()
    # Arrow's own keeps what a million rows took once. Chosen when pyarrow is imported, as nothing here did.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # A filter would not do: Feast puts its own before it when it is imported. Whoever asks for warnings, by
    # `python -W` or PYTHONWARNINGS, sees them; they speak to the developers of Feast and of what it uses.
    if not sys.warnoptions:
        warnings.showwarning = lambda *warning, **where: None
    _hide_bars_of_others()
    _show_every_letter()
    try:
        status = main()
    except BrokenPipeError:
        # As of any program whose reader has left, as `head` does: what was to come after was not done.
        os._exit(READER_LEFT)
    except PocError as error:
        if DEBUG in sys.argv:
            traceback.print_exc()
        note(f"✗ {error.what}\n  {error.way_out}")
        status = error.exit_status
    except KeyboardInterrupt:
        note("✗ Interrupted. Nothing is recorded as done that was not: run the same command again.")
        status = INTERRUPTED
    except Exception as error:
        note(_unforeseen(error))
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Feast and the driver leave threads behind that can hold an interpreter's end up for seconds.
    os._exit(0 if status is None else status)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say of what fails in the block, and nobody foresaw, what was being done; the innermost block counts.

    Args:
        what: with the file or the setting that it is about, for example `reading data/a.parquet`.
    """
    try:
        yield
    except PocError:
        raise
    except Exception as error:
        if not hasattr(error, "while_doing"):
            error.while_doing = what  # type: ignore[attr-defined]
        raise


def _unforeseen(error: Exception) -> str:
    """Keep the traceback, and word the error in two lines."""
    said = (str(error).strip().splitlines() or [""])[0][:300]
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    program = Path(sys.argv[0]).stem or "python"
    doing_what = getattr(error, "while_doing", program)
    shown = traceback.format_exc()
    if DEBUG in sys.argv:
        return f"{shown}✗ While {doing_what}: {what}\n  The traceback is above."
    name = f"{program}-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{os.getpid()}.traceback"
    for given in ("data/logs", None):
        try:
            # Where nothing can be written, as on a full disk, there is no such folder.
            folder = Path(tempfile.gettempdir() if given is None else given)
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(shown, encoding="utf-8")
        except OSError:
            continue
        return f"✗ While {doing_what}: {what}\n  The traceback is in {folder / name}; {DEBUG} shows it."
    return f"✗ While {doing_what}: {what}\n  {DEBUG} shows the traceback."


def argument_parser(manual: str | None) -> argparse.ArgumentParser:
    """Make a parser whose --help is `manual`, a script's docstring, as it stands there."""
    parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(DEBUG, action="store_true", help="show the traceback of what nobody foresaw")
    return parser


def ok(text: str) -> None:
    """Say on standard output that something is true. Call it after it is."""
    print(f"✓ {text}", flush=True)


def fail(text: str) -> None:
    """Say on standard output that something did not hold."""
    print(f"✗ {text}", flush=True)


def note(text: object) -> None:
    """Say on standard error what is going on."""
    print(text, file=sys.stderr, flush=True)


def whole_number(text: str, least: int = 1, most: int = MOST) -> int:
    """Read a whole number from `least` to `most`; an ArgumentTypeError where it is none."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most:,}")
    return number


def whole_numbers(text: str, most: int = MOST) -> tuple[int, ...]:
    """Read whole numbers above 0 with commas between them; one that is repeated counts once."""
    return tuple(dict.fromkeys(whole_number(part, most=most) for part in text.split(",")))


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; UTC where it names no zone. An ArgumentTypeError where it is none."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        example = "such as 2026-11-01T10:00:00 (ISO 8601)"
        raise argparse.ArgumentTypeError(f"{text!r} is no time {example}") from None


def parse_duration(text: str) -> timedelta:
    """Read a length of time: a number above 0 and s, m, h or d, such as `2h`; else an ArgumentTypeError."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    # Six digits: more than a life in days, and less than timedelta can hold.
    if unit not in units or re.fullmatch("[0-9]{1,6}", number) is None or int(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0 with s, m, h or d, as 2h")
    return timedelta(**{units[unit]: int(number)})


def progress_bar(title: str, total: int | None = None) -> Any:
    """Open a bar of tqdm's that counts things done, once there are some, on standard error if a terminal."""
    # Not before `run` has said by TQDM_DISABLE whether Feast's are shown: that is read with the import.
    from tqdm import tqdm

    # Its thread would take the interpreter in the middle of what is measured.
    tqdm.monitor_interval = 0
    return tqdm(desc=title, total=total, unit="", delay=0.001, mininterval=0.25, disable=None)


def _open_what_is_closed() -> None:
    """Give an output that is closed, as by `>&-`, to nobody: Python has None for it, and its number, to which
    others write, goes to the next file that is opened.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _hide_bars_of_others() -> None:
    """Hide Feast's own progress bars and colours where no terminal shows them; colours for NO_COLOR, too."""
    terminal = sys.stderr.isatty()
    if not terminal:
        os.environ.setdefault("TQDM_DISABLE", "1")
    if not terminal or os.environ.get("NO_COLOR"):
        # Feast puts them into what it prints, whoever reads it.
        for codes in (Fore, Style):
            for name in vars(codes):
                setattr(codes, name, "")


def _show_every_letter() -> None:
    """Write what an output's encoding lacks, as Latin-1 does a ✓, as its number: nothing ends for that."""
    for stream in (sys.stdout, sys.stderr):
        # What needs nothing is left as it is.
        if isinstance(stream, TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors="backslashreplace")


# What every record of a log has; the rest is what its `extra` added.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time in UTC, level, logger, message, and what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """Write `record` as its line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """Send every logger's records of `level` and above to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The driver logs each retry and each refused statement; what matters of it reaches us as an exception.
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)
