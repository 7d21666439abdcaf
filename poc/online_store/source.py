"""Read a feature view's latest rows from Parquet, batch by batch.

Two scans with the time window pushed down to the files: the first reads only keys and times and finds the
latest row of each entity, the second lets only those rows through. Nothing holds the whole source.

Pandas writes a column of integers that has a gap as floats, and other writers choose other widths: where the
files of a source differ in a column's type, it is read with the one that holds it in all of them.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from poc.online_store.errors import MissingColumns, SourceChanged, ValueOutOfRange, WrongValueType
from poc.online_store.latest import LatestRows

UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
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
    """The rows of `dataset`, called `name`, whose event times are from `start` (included) to `end`, aware.

    Raises:
        MissingColumns: the files lack some of the columns.
        ValueOutOfRange: see `values_fit`.
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
        for batch in self._scan([*columns.keys, *columns.order()]):
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
            ValueOutOfRange: see `values_fit`.
        """
        positions = self._positions[::every]
        position = given = 0
        for batch in self._scan(self._columns.all(), batch_size=rows):
            low, high = np.searchsorted(positions, (position, position + batch.num_rows))
            position += batch.num_rows
            if high > low:
                given += int(high - low)
                yield batch.take(pa.array(positions[low:high] - (position - batch.num_rows)))
        if position != self._latest.seen or given != len(positions):
            raise SourceChanged(self._name)

    def _scan(self, columns: Sequence[str], **limits: int) -> Iterator[pa.RecordBatch]:
        once = list(dict.fromkeys(columns))
        limits |= {"batch_readahead": _READ_AHEAD, "fragment_readahead": _READ_AHEAD}
        with values_fit(self._dataset, once):
            yield from self._dataset.to_batches(columns=once, filter=self._window, **limits)


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

    Files may differ in columns: a file without one reads as nulls.

    Raises WrongValueType: files have types that nothing holds together for one of `columns`, any for None.
    """
    there = matched(path) if filesystem is None else None
    named = path if there is None else there
    # Buffering ahead spares round trips to a bucket; of a local file it holds all bytes until the end.
    scan = ds.ParquetFragmentScanOptions(pre_buffer=filesystem is not None)
    layout = ds.ParquetFileFormat(default_fragment_scan_options=scan)
    dataset = _opened(named, layout, filesystem)
    return dataset if len(dataset.files) < 2 else _with_common_types(dataset, columns)


def _opened(named: str | list[str], layout: ds.FileFormat, filesystem: Any) -> ds.FileSystemDataset:
    """Open files, with what their folders' names say of them: but not what they hold themselves."""
    opened = partial(ds.dataset, named, format=layout, filesystem=filesystem)
    try:
        dataset = opened(partitioning="hive")
    except pa.ArrowTypeError:
        return opened()  # Both say it, in different types.
    said = dataset.partitioning.schema
    if not said.names:
        return dataset
    held = next(dataset.get_fragments()).physical_schema.names
    others = [field for field in said if field.name not in held]
    if len(others) == len(said):
        return dataset
    return opened(partitioning=ds.partitioning(pa.schema(others), flavor="hive"))


def readable(path: str, column: str) -> bool:
    """Whether `path` names local files whose `column` holds times; WrongValueType: some of them only."""
    if matched(path) is None:
        return False
    try:
        schema = open_dataset(path, [column]).schema
    except (pa.ArrowInvalid, OSError):
        return False
    return column not in schema.names or bool(pa.types.is_timestamp(schema.field(column).type))


def time_window(column: str, schema: pa.Schema, start: datetime, end: datetime) -> pc.Expression:
    """Build the filter `start <= column < end`, in the column's own unit so that files can be skipped."""
    kind = schema.field(column).type
    low, high = (pa.scalar(_ticks(moment, kind.unit), pa.int64()).cast(kind) for moment in (start, end))
    return (pc.field(column) >= low) & (pc.field(column) < high)


def _ticks(moment: datetime, unit: str) -> int:
    """Count units since 1970, rounded up: no whole tick lies between the moment and its rounding."""
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    ticks = -(-micros * UNITS_PER_SECOND[unit] // 10**6)
    return max(-(2**63) + 1, min(ticks, 2**63 - 1))


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both; None if text, say, stands beside numbers.

    Times take the finer unit; a naive time means UTC.
    """
    if one == other:
        return one
    one, other = (kind.value_type if pa.types.is_dictionary(kind) else kind for kind in (one, other))
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        zone = one.tz if one.tz == other.tz else "UTC"
        return pa.timestamp(max(one.unit, other.unit, key=list(UNITS_PER_SECOND).index), zone)
    try:
        schemas = [pa.schema([("", kind)]) for kind in (one, other)]
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    # Arrow would make bytes of text, and Feast then writes b'...' for it.
    if (_is_text(one) or _is_text(other)) and not _is_text(kind):
        return None
    if pa.types.is_decimal128(kind) and (pa.types.is_integer(one) or pa.types.is_integer(other)):
        # Arrow counts a digit too few for the largest integers, of 19 digits, and then casts none.
        return pa.decimal128(min(max(kind.precision, 19 + kind.scale), 38), kind.scale)
    return kind


def _with_common_types(dataset: ds.FileSystemDataset, columns: Collection[str] | None) -> ds.Dataset:
    """Return `dataset` with every column of any file, in the type that holds what all files have there."""
    kinds = {field.name: field.type for field in dataset.schema}
    fragments = list(dataset.get_fragments())
    files = dict.fromkeys(kinds, fragments[0].path)
    for fragment in fragments:
        for field in fragment.physical_schema:
            known = kinds.setdefault(field.name, field.type)
            kind = _common_type(known, field.type)
            if kind is not None and kind != known:
                kinds[field.name] = kind
                files[field.name] = fragment.path
            elif kind is None and (columns is None or field.name in columns):
                stated, found = f"{known} in {files[field.name]}", f"{field.type} in {fragment.path}"
                raise WrongValueType(field.name, stated, found)
            files.setdefault(field.name, fragment.path)
    # Unlike `replace_schema` this lets a column be wider than it is in the first file.
    return ds.FileSystemDataset(fragments, pa.schema(kinds.items()), dataset.format, dataset.filesystem)


@contextmanager
def values_fit(dataset: ds.Dataset, columns: Collection[str]) -> Iterator[None]:
    """Say which value does not fit the type of its column, where a scan of `columns` fails on one.

    A type that integers and floats have in common holds them up to a size only, one of times up to a year.

    Raises ValueOutOfRange: the value, with its column and file.
    """
    try:
        yield
    except pa.ArrowInvalid:
        _require_fit(dataset, columns)
        raise


def _require_fit(dataset: ds.Dataset, columns: Collection[str]) -> None:
    for fragment in dataset.get_fragments():
        stored = fragment.physical_schema
        for name in set(columns) & set(stored.names):
            kind = dataset.schema.field(name).type
            if kind == stored.field(name).type:
                continue
            for batch in fragment.to_batches(columns=[name], schema=stored):
                try:
                    batch.column(0).cast(kind)
                except pa.ArrowInvalid as error:
                    reason = f"in {fragment.path} does not fit {kind}, as other files have the column"
                    raise ValueOutOfRange(name, str(error), reason) from error


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
