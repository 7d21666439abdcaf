"""Read the prepared Parquet: which transactions there are, and what is known of them at a moment.

Reads only the columns and rows that are asked for, by pyarrow alone.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from poc.definitions import FeatureSet
from poc.errors import ColumnsMissing, DatasetNotPrepared, DatasetUnreadable

SAMPLE_SEED = 7


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What the Parquet says of one transaction.

    Attributes:
        values: every declared feature by name, in declared order; None where it is null.
        event_timestamp: when these values were true, UTC-aware.
    """

    values: dict[str, Any]
    event_timestamp: datetime


def sample_ids(definitions: FeatureSet, count: int, seed: int = SAMPLE_SEED) -> list[str]:
    """Draw `count` transactions that are current: their latest record is within the ttl of the newest.

    The same file and seed give the same ids. Where there are fewer, all of them are given.

    Raises:
        DatasetNotPrepared, DatasetUnreadable, ColumnsMissing: there is nothing to read.
    """
    key, moment = definitions.join_key, definitions.timestamp_column
    records = _read(definitions, [key, moment])
    if definitions.ttl is not None and records.num_rows:
        newest = pc.max(records.column(moment)).as_py()
        since = pa.scalar(newest - definitions.ttl, pa.timestamp("us", "UTC"))
        records = records.filter(pc.greater_equal(records.column(moment), since))
    ids = sorted(records.column(key).unique().to_pylist())
    return random.Random(seed).sample(ids, min(count, len(ids)))


def latest_rows(
    definitions: FeatureSet, ids: Sequence[str] | None = None, as_of: datetime | None = None
) -> dict[str, StoredRow]:
    """Read the latest record of transactions.

    Args:
        definitions: the declared features, and the Parquet's path.
        ids: the transactions; None for all.
        as_of: aware; what was known at this moment, it included. None for the latest of all.

    Returns:
        A row an id; ids without a record are absent.

    Raises:
        DatasetNotPrepared, DatasetUnreadable, ColumnsMissing: there is nothing to read.
    """
    key, moment = definitions.join_key, definitions.timestamp_column
    where = None
    if ids is not None:
        where = ds.field(key).isin(pa.array(list(ids), pa.string()))
    if as_of is not None:
        if as_of.tzinfo is None:
            raise ValueError("as_of has no time zone")
        until = ds.field(moment) <= pa.scalar(as_of.astimezone(timezone.utc), pa.timestamp("us", "UTC"))
        where = until if where is None else where & until
    records = _read(definitions, [key, moment, *definitions.names], where)
    columns = [records.column(name).to_pylist() for name in definitions.names]
    latest: dict[str, StoredRow] = {}
    moments = records.column(moment).cast(pa.timestamp("us", "UTC"), safe=False).to_pylist()
    for transaction_id, event, *values in zip(
        records.column(key).to_pylist(), moments, *columns, strict=True
    ):
        known = latest.get(transaction_id)
        if known is None or event > known.event_timestamp:
            latest[transaction_id] = StoredRow(dict(zip(definitions.names, values, strict=True)), event)
    return latest


def dataset_fingerprint(path: Path) -> str:
    """Give a digest (SHA-256, hex) of the Parquet: another content has another one.

    Raises:
        DatasetNotPrepared: there is no such file.
    """
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        raise DatasetNotPrepared(path) from None
    return digest.hexdigest()


def _read(definitions: FeatureSet, names: list[str], where: ds.Expression | None = None) -> pa.Table:
    path = definitions.source_path
    if not path.exists():
        raise DatasetNotPrepared(path)
    try:
        source = ds.dataset(path, format="parquet")
        missing = [name for name in names if name not in source.schema.names]
        if missing:
            raise ColumnsMissing(path, missing, source.schema.names)
        return source.to_table(columns=names, filter=where)
    except (pa.ArrowException, OSError) as error:
        raise DatasetUnreadable(path, str(error).partition("\n")[0]) from error
