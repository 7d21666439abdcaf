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
    """Make the folder of `path`, and find out whether a file can be written there.

    Raises:
        OutputNotWritable: it is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise OutputNotWritable(path, "it is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _draft(path).touch()
        _draft(path).unlink()
    except OSError as error:
        raise OutputNotWritable(path, str(error.strerror)) from error


_NUMBERS = re.compile(r"\[[\s\d.,eE+-]+\]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write to; it takes the place of `path` when the block ends well.

    Raises:
        OutputNotWritable: the disk refuses it; what was at `path` stays.
    """
    draft = _draft(path)
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise OutputNotWritable(path, str(error.strerror)) from error
    finally:
        draft.unlink(missing_ok=True)


def write_json(document: Any, path: Path) -> None:
    """Write `document` for people and tools: indented, a list of numbers on one line.

    Raises:
        OutputNotWritable: the disk refuses it; what was at `path` stays.
    """
    indented = json.dumps(document, indent=2, ensure_ascii=False)
    with replacing(path) as draft:
        draft.write_text(_NUMBERS.sub(lambda found: " ".join(found[0].split()), indented) + "\n")


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
