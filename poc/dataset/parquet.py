"""Read and write the prepared Parquet, whole or not at all, with a note of where it came from."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from poc.dataset.generate import SEED
from poc.errors import DatasetNotWritten, DatasetUnreadable
from poc.online_store.registry_file import whole_file

_NOTE = b"poc.dataset"
# What pandas once noted about columns that may have other types by now.
_PANDAS_NOTE = b"pandas"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the records of a prepared Parquet came from. Kept in the file's own metadata.

    Attributes:
        sha256: hex digest of that file as it was; None for generated records.
        own_timestamps: whether the timestamps came with the file; if not, we made them.
    """

    origin: Literal["generated", "csv", "parquet"]
    sha256: str | None
    seed: int
    own_timestamps: bool


@dataclass(frozen=True, slots=True)
class Records:
    """Records as found in the file that a person would correct; `place` names a row, counted from 0.

    Those of an `owned` file, a person's Parquet, are used as they are: nothing is written there.
    """

    path: Path
    table: pa.Table
    provenance: Provenance
    place: Callable[[int], str]
    owned: bool = False


def read_parquet(path: Path) -> Records | None:
    """Read the whole file in one go, so that its records, note and digest belong together.

    Returns: None if there is no such file; without a note of ours it is a person's.

    Raises DatasetUnreadable: it is no Parquet file, or not a whole one.
    """
    content = read_content(path)
    if content is None:
        return None
    with unreadable(path, "it is no whole Parquet file ({})"):
        table = pq.read_table(pa.BufferReader(content))
    note, digest = _provenance(table.schema), sha256(content).hexdigest()
    provenance = Provenance("parquet", digest, SEED, own_timestamps=True) if note is None else note
    return Records(path, table, provenance, "row {}".format, owned=note is None)


def has_made_up_times(path: Path) -> bool:
    """Whether a person's records stand in the file with event times that are none of theirs.

    Raises DatasetUnreadable.
    """
    with unreadable(path):
        provenance = _provenance(pq.read_schema(path))
    return provenance is not None and provenance.origin != "generated" and not provenance.own_timestamps


@contextmanager
def unreadable(path: Path, reason: str = "{}") -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into DatasetUnreadable."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DatasetUnreadable(path, reason.format(str(error).partition("\n")[0])) from error


def _provenance(schema: pa.Schema) -> Provenance | None:
    note = (schema.metadata or {}).get(_NOTE)
    return None if note is None else Provenance(**json.loads(note))


def read_content(path: Path) -> bytes | None:
    """Read a whole file, or None where there is none, or raise DatasetUnreadable."""
    require_no_dead_link(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatasetUnreadable(path, str(error.strerror)) from error


def require_no_dead_link(path: Path) -> None:
    """Raise DatasetUnreadable for a link to a file that is gone: somebody's data was meant to be there."""
    if path.is_symlink() and not path.exists():
        raise DatasetUnreadable(path, f"it is a link, and {path.readlink()} is not there")


def write_parquet(path: Path, table: pa.Table, provenance: Provenance) -> None:
    """Put `table` at `path` in one step: readers see the old file or the new one.

    Raises DatasetNotWritten: the disk is full, the folder may not be written; the old file is untouched.
    """
    notes = {key: value for key, value in (table.schema.metadata or {}).items() if key != _PANDAS_NOTE}
    notes[_NOTE] = json.dumps(asdict(provenance)).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            pq.write_table(table.replace_schema_metadata(notes), file)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise DatasetNotWritten(path, str(error)) from error
