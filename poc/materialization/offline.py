"""The sources as materialization sees them: an interval's rows, the latest of each entity."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from poc.dataset.stored import Key, declared_columns, open_source, parquet_columns
from poc.definitions import FeatureSet
from poc.errors import PocError, SourceChanged
from poc.online_store.source import ParquetSource, time_window, values_fit


class IntervalRows(ParquetSource):
    """The latest row of each entity in [start, end), both UTC, found as the engine that materializes does.

    In Arrow batches, under the declared names and types. Holds the position of each entity's row, and no
    values: a million take some megabytes.
    """

    def __init__(self, definitions: FeatureSet, start: datetime, end: datetime) -> None:
        self._definitions = definitions
        dataset, columns = open_source(definitions), parquet_columns(definitions)
        super().__init__(str(definitions.source_path), dataset, columns, start, end)

    def batches(self, rows: int, every: int = 1) -> Iterator[pa.RecordBatch]:
        """Yield them as `ParquetSource.batches` does: the join keys, features and event time of the view."""
        for batch in super().batches(rows, every):
            yield from declared_columns(batch, self._definitions).combine_chunks().to_batches()


def watch_source(definitions: FeatureSet) -> Callable[[], None]:
    """Return what raises `SourceChanged` once the files of a source are no longer those of now."""

    def states() -> list[tuple[int, int, int]]:
        files = (Path(name).stat() for name in sorted(open_source(definitions).files))
        return [(file.st_ino, file.st_size, file.st_mtime_ns) for file in files]

    before = states()

    def require_unchanged() -> None:
        try:
            same = states() == before
        except (PocError, OSError):
            same = False
        if not same:
            raise SourceChanged(str(definitions.source_path))

    return require_unchanged


def interval_fingerprint(definitions: FeatureSet, start: datetime, end: datetime) -> str:
    """Summarize the declared columns of the rows from `start` (inclusive) to `end` (exclusive), both UTC.

    Equal for equal rows in any order; different once a row, a value, a column's name or type differs.
    """
    rows, total = 0, 0
    with _scanner(definitions, start, end) as scanner:
        columns = hashlib.sha256(str(scanner.projected_schema.remove_metadata()).encode()).hexdigest()[:16]
        for batch in scanner.to_batches():
            frame = batch.to_pandas()
            for name, kind in zip(batch.schema.names, batch.schema.types, strict=True):
                if pa.types.is_nested(kind):
                    frame[name] = [repr(value) for value in batch.column(name).to_pylist()]
            hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
            rows += len(hashes)
            total = (total + int(hashes.sum(dtype=np.uint64))) % 2**64
    return f"{rows}-{total:016x}-{columns}"


def count_in_interval(definitions: FeatureSet, start: datetime, end: datetime) -> int:
    """Count the rows in [start, end), both UTC."""
    with _scanner(definitions, start, end) as scanner:
        return int(scanner.count_rows())


def keys_in_interval(definitions: FeatureSet, start: datetime, end: datetime, count: int) -> list[Key]:
    """Read the entities of the first `count` rows in [start, end), both UTC, each once."""
    with _scanner(definitions, start, end) as scanner:
        rows = declared_columns(scanner.head(count), definitions)
    columns = [rows.column(name).to_pylist() for name in definitions.key_names]
    keys = zip(*columns, strict=True) if columns else ((),) * min(rows.num_rows, 1)
    return list(dict.fromkeys(keys))


@contextmanager
def _scanner(definitions: FeatureSet, start: datetime, end: datetime) -> Iterator[ds.Scanner]:
    dataset, columns = open_source(definitions), parquet_columns(definitions).all()
    inside = time_window(definitions.timestamp_column, dataset.schema, start, end)
    with values_fit(dataset, columns):
        yield dataset.scanner(columns=columns, filter=inside)
