"""The prepared Parquet as materialization sees it: an interval's rows, the latest of each transaction."""

import hashlib
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from poc.database.direct_table import Row
from poc.definitions import FeatureSet
from poc.errors import ColumnsMissing, DatasetNotPrepared
from poc.online_store.source import Columns, ParquetSource


def interval_fingerprint(definitions: FeatureSet, start: datetime, end: datetime) -> str:
    """Summarize the declared columns of the rows from `start` (inclusive) to `end` (exclusive), both UTC.

    Equal for equal rows in any order; different once a row, a value, a column's name or type differs.

    Raises:
        DatasetNotPrepared, ColumnsMissing: as `latest_in_interval`.
    """
    scanner = _scanner(definitions, start, end)
    columns = hashlib.sha256(str(scanner.projected_schema.remove_metadata()).encode()).hexdigest()[:16]
    rows, total = 0, 0
    for batch in scanner.to_batches():
        hashes = pd.util.hash_pandas_object(batch.to_pandas(), index=False).to_numpy()
        rows += len(hashes)
        total = (total + int(hashes.sum(dtype=np.uint64))) % 2**64
    return f"{rows}-{total:016x}-{columns}"


def latest_in_interval(definitions: FeatureSet, start: datetime, end: datetime) -> Iterator[Row]:
    """Yield the latest row of each transaction in [start, end), both UTC, in the direct table's column order.

    Of rows with the same event time the one created last counts, as in Feast.

    Raises:
        DatasetNotPrepared: there is no Parquet.
        ColumnsMissing: it lacks a declared column.
    """
    table = _scanner(definitions, start, end).to_table()
    order = [(definitions.timestamp_column, "ascending")]
    if definitions.created_timestamp_column is not None:
        order.append((definitions.created_timestamp_column, "ascending"))
    table = table.sort_by(order)
    latest = {key: index for index, key in enumerate(table[definitions.join_key].to_pylist())}
    wanted = [definitions.join_key, *definitions.names, definitions.timestamp_column]
    for batch in table.select(wanted).take(pa.array(latest.values(), pa.int64())).to_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def latest_source(definitions: FeatureSet, start: datetime, end: datetime) -> ParquetSource:
    """Give the same rows in Arrow batches, as the engine that materializes reads them.

    Holds the position of each transaction's row, and no values: a million take some megabytes.

    Raises:
        DatasetNotPrepared, ColumnsMissing: as `latest_in_interval`.
    """
    columns = Columns(
        keys=(definitions.join_key,),
        features=definitions.names,
        timestamp=definitions.timestamp_column,
        created=definitions.created_timestamp_column,
    )
    return ParquetSource(str(definitions.source_path), _dataset(definitions), columns, start, end)


def count_in_interval(definitions: FeatureSet, start: datetime, end: datetime) -> int:
    """Count the rows in [start, end), both UTC."""
    return int(_scanner(definitions, start, end).count_rows())


def ids_in_interval(definitions: FeatureSet, start: datetime, end: datetime, count: int) -> list[str]:
    """Read the transactions of the first `count` rows in [start, end), both UTC, each once."""
    rows = _scanner(definitions, start, end).head(count)
    ids: list[str] = rows[definitions.join_key].unique().to_pylist()
    return ids


def newest_event(definitions: FeatureSet, before: datetime | None = None) -> datetime | None:
    """Read the newest event time in the Parquet, UTC, `before` excluded; None where there is no such row."""
    dataset = _dataset(definitions)
    column = definitions.timestamp_column
    where = None
    if before is not None:
        where = ds.field(column) < pa.scalar(before, dataset.schema.field(column).type)
    newest: datetime | None = pc.max(dataset.to_table(columns=[column], filter=where)[column]).as_py()
    return newest


def _dataset(definitions: FeatureSet) -> ds.Dataset:
    if not definitions.source_path.exists():
        raise DatasetNotPrepared(definitions.source_path)
    dataset = ds.dataset(definitions.source_path, format="parquet")
    needed = (definitions.join_key, *definitions.names, definitions.timestamp_column)
    lacking = [name for name in needed if name not in dataset.schema.names]
    if lacking:
        raise ColumnsMissing(definitions.source_path, lacking, dataset.schema.names)
    return dataset


def _scanner(definitions: FeatureSet, start: datetime, end: datetime) -> ds.Scanner:
    dataset = _dataset(definitions)
    columns = [definitions.join_key, *definitions.names, definitions.timestamp_column]
    if definitions.created_timestamp_column is not None:
        columns.append(definitions.created_timestamp_column)
    event_time = ds.field(definitions.timestamp_column)
    kind = dataset.schema.field(definitions.timestamp_column).type
    inside = (event_time >= pa.scalar(start, kind)) & (event_time < pa.scalar(end, kind))
    return dataset.scanner(columns=columns, filter=inside)
