"""Files for results: refused before the measurement if they cannot be written, replaced only when whole."""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from poc.errors import OutputNotWritable


def require_writable(path: Path) -> None:
    """Make the folder of `path`, and raise OutputNotWritable where a file cannot be written there."""
    if path.is_dir():
        raise OutputNotWritable(path, "it is a folder")
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _draft(path).touch()
        _draft(path).unlink()


_PROJECT = Path(__file__).parents[1]
UNKNOWN_COMMIT = "unknown"
_NUMBERS = re.compile(r"\[[\s\d.,eE+-]+\]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write to; it takes the place of `path` when the block ends well.

    Where the disk refuses it, OutputNotWritable is raised, and what was at `path` stays.
    """
    draft = _draft(path)
    with refusals(path):
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write `document` by `replacing`, for people and tools: indented, a list of numbers on one line.

    Before its own it has the keys `created`, UTC, and `git_commit`, of the project.
    """
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    stamped = {"created": created, "git_commit": git_commit(_PROJECT), **document}
    indented = json.dumps(stamped, indent=2, ensure_ascii=False)
    with replacing(path) as draft:
        text = _NUMBERS.sub(lambda found: " ".join(found[0].split()), indented)
        draft.write_text(text + "\n", encoding="utf-8")


def git_commit(folder: Path) -> str:
    """Name the commit of the code in `folder`, marked where files differ from it; `unknown` without git."""
    git = partial(subprocess.run, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    try:
        commit = git(["git", "rev-parse", "HEAD"]).stdout.strip()
        # Without locks: a commit of somebody else's may be under way.
        changes = git(["git", "--no-optional-locks", "status", "--porcelain"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN_COMMIT
    return f"{commit} with changes" if changes else commit


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


@contextmanager
def refusals(path: Path, way_out: str | None = None) -> Iterator[None]:
    """Raise OutputNotWritable of `path` for what the operating system refuses in the block."""
    try:
        yield
    except OSError as error:
        raise OutputNotWritable(path, str(error.strerror), way_out=way_out) from error


def markdown_table(columns: Sequence[str], rows: Iterable[Iterable[object]], *, aligned: bool = False) -> str:
    """Return `rows` under `columns` as Markdown.

    With `aligned`, columns are as wide as their widest cells: it reads well in a terminal, too.
    """
    lines = [[str(cell).replace("|", "\\|") for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) if aligned else 0 for column in zip(*lines, strict=True)]
    rule = "|" + "|".join("-" * (width + 2 if aligned else 3) for width in widths) + "|"
    written = (
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
    return "\n".join((next(written), rule, *written))
