"""Files for results: refused before the measurement if they cannot be written, replaced only when whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
