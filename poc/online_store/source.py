"""Read a feature view's latest rows from Parquet, batch by batch.

Two scans with the time window pushed down to the files: the first reads only keys and times and finds
the latest row of each entity, the second reads the rest and lets only those rows through. Nothing
holds the whole source.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from glob import glob, has_magic
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from poc.online_store.errors import MissingColumns, SourceChanged
from poc.online_store.file_types import values_fit, with_common_types
from poc.online_store.latest import LatestRows

_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# Arrow reads ahead of what is asked for; this bounds how much.
_READ_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """The source's own names of what a view needs; of keys it may need none."""

    keys: tuple[str, ...]
    features: tuple[str, ...]
    timestamp: str
    created: str | None

    def order(self) -> list[str]:
        """The columns that say which row is later."""
        return [self.timestamp] if self.created is None else [self.timestamp, self.created]

    def all(self) -> list[str]:
        """Every column, once."""
        return list(dict.fromkeys([*self.keys, *self.features, *self.order()]))


class ParquetSource:
    """The rows of a Parquet file or folder that fall in a time window.

    Args:
        name: for messages.
        start, end: event times from `start` (included) to `end` (excluded), aware.

    Raises:
        MissingColumns: the files lack some of the columns.
        ValueOutOfRange: a value is too large for the type that other files have its column in.
    """

    def __init__(
        self, name: str, dataset: ds.Dataset, columns: Columns, start: datetime, end: datetime
    ) -> None:
        missing = sorted(set(columns.all()) - set(dataset.schema.names))
        if missing:
            raise MissingColumns(name, missing, dataset.schema.names)
        self._name, self._dataset, self._columns = name, dataset, columns
        self._window = time_window(columns.timestamp, dataset.schema, start, end)
        # What was read before is freed and not given back: it would come on top of this.
        pa.default_memory_pool().release_unused()
        self._latest = LatestRows(columns.keys, columns.order())
        for batch in self._scan(list(dict.fromkeys([*columns.keys, *columns.order()])), None):
            self._latest.add(batch)
        self._positions = self._latest.positions()

    @property
    def num_rows(self) -> int:
        """How many rows `batches` yields: one an entity."""
        return len(self._positions)

    def batches(self, rows: int, every: int = 1) -> Iterator[pa.RecordBatch]:
        """Yield the latest rows, or of each `every` of them one, in batches of at most `rows`.

        Raises:
            SourceChanged: the files were rewritten since the first scan.
            ValueOutOfRange: a value is too large for the type that other files have its column in.
        """
        positions = self._positions[::every]
        position = given = 0
        for batch in self._scan(self._columns.all(), rows):
            low, high = np.searchsorted(positions, (position, position + batch.num_rows))
            position += batch.num_rows
            if high > low:
                given += int(high - low)
                yield batch.take(pa.array(positions[low:high] - (position - batch.num_rows)))
        if position != self._latest.seen or given != len(positions):
            raise SourceChanged(self._name)

    def _scan(self, columns: Sequence[str], rows: int | None) -> Iterator[pa.RecordBatch]:
        limits = {"batch_readahead": _READ_AHEAD, "fragment_readahead": _READ_AHEAD}
        if rows is not None:
            limits["batch_size"] = rows
        with values_fit(self._dataset, columns):
            yield from self._dataset.to_batches(columns=list(columns), filter=self._window, **limits)


def local_path(path: str) -> str:
    """Return a path, or a `file:` URL, as a path."""
    return unquote(urlsplit(path).path) if path.startswith("file:") else path


def matched(path: str) -> str | list[str] | None:
    """Return what a source's path names here: a file or folder, all files of a pattern, None for nothing."""
    path = local_path(path)
    if Path(path).exists():
        return path
    # As pandas and Dask read patterns, which `Path.glob` does not of an absolute path.
    found = sorted(glob(path, recursive=True)) if has_magic(path) else []  # noqa: PTH207
    return found if found else None


def open_dataset(path: str, columns: Collection[str] | None = None, filesystem: Any = None) -> ds.Dataset:
    """Open a Parquet file, the files of a pattern, or a folder of them, partitioned by `name=value` or not.

    Files may differ in columns: a file without one reads as nulls. They may differ in a column's type, which
    is read with the one that holds it in all of them.

    Args:
        columns: what will be read of it; None for all.

    Raises:
        WrongValueType: files have types for one of the columns that nothing holds together.
    """
    there = matched(path) if filesystem is None else None
    named = path if there is None else there
    # Buffering ahead spares round trips to a bucket; of a local file it holds all bytes until the end.
    scan = ds.ParquetFragmentScanOptions(pre_buffer=filesystem is not None)
    layout = ds.ParquetFileFormat(default_fragment_scan_options=scan)
    dataset = ds.dataset(named, format=layout, filesystem=filesystem, partitioning="hive")
    return dataset if len(dataset.files) < 2 else with_common_types(dataset, columns)


def readable(path: str, dataset_column: str) -> bool:
    """Whether `path` names local files whose `dataset_column` holds times.

    Raises:
        WrongValueType: it does in some of them, and in others something else.
    """
    if matched(path) is None:
        return False
    try:
        schema = open_dataset(path, [dataset_column]).schema
    except (pa.ArrowInvalid, OSError):
        return False
    index = schema.get_field_index(dataset_column)
    return index < 0 or bool(pa.types.is_timestamp(schema.field(index).type))


def time_window(column: str, schema: pa.Schema, start: datetime, end: datetime) -> pc.Expression:
    """Build the filter `start <= column < end`, in the column's own unit so that files can be skipped."""
    kind = schema.field(column).type
    low, high = (pa.scalar(_ticks(moment, kind.unit), pa.int64()).cast(kind) for moment in (start, end))
    return (pc.field(column) >= low) & (pc.field(column) < high)


def _ticks(moment: datetime, unit: str) -> int:
    """Count units since 1970, rounded up: no whole tick lies between the moment and its rounding."""
    passed = moment - _EPOCH
    micros = (passed.days * 86400 + passed.seconds) * 10**6 + passed.microseconds
    per_second = _UNITS_PER_SECOND[unit]
    ticks = -(-micros * per_second // 10**6)
    return max(-(2**63) + 1, min(ticks, 2**63 - 1))
