"""Files for results: refused before the measurement if they cannot be written, replaced only when whole."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from poc.errors import OutputNotWritable


def require_writable(path: Path) -> None:
    """Make the folder of `path`, and raise OutputNotWritable where a file cannot be written there."""
    if path.is_dir():
        raise OutputNotWritable(path, "it is a folder")
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _draft(path).touch()
        _draft(path).unlink()


_NUMBERS = re.compile(r"\[[\s\d.,eE+-]+\]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write to; it takes the place of `path` when the block ends well.

    Where the disk refuses it, OutputNotWritable is raised, and what was at `path` stays.
    """
    draft = _draft(path)
    with _refusals(path):
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_json(document: Any, path: Path) -> None:
    """Write `document` by `replacing`, for people and tools: indented, a list of numbers on one line."""
    indented = json.dumps(document, indent=2, ensure_ascii=False)
    with replacing(path) as draft:
        draft.write_text(_NUMBERS.sub(lambda found: " ".join(found[0].split()), indented) + "\n")


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputNotWritable(path, str(error.strerror)) from error
