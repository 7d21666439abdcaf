"""Read the sources: which entities there are, and what is known of them at a moment.

Reads only the columns and rows that are asked for, by pyarrow alone, and gives them under the declared names
and in the declared types. Which row is the latest is `poc.online_store.latest`'s rule, as in materialization.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from poc.dataset.columns import LABEL, TIME, arrow_type, key_columns
from poc.dataset.conversion import convert, utc_times
from poc.dataset.parquet import unreadable
from poc.definitions import Feature, FeatureSet, JoinKey, ServedFeatures, ServedView
from poc.errors import ColumnsMissing, DatasetNotPrepared, DatasetUnreadable, LabelsUnavailable
from poc.online_store.latest import LatestRows
from poc.online_store.source import Columns, matched, open_dataset, values_fit

SAMPLE_SEED = 7

# The values of a view's join keys, in their declared order.
Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class KnownRow:
    """What a source says of an entity: each declared feature, None where null, and when that was true."""

    values: dict[str, Any]
    event_timestamp: datetime


def open_source(definitions: FeatureSet, columns: Sequence[str] | None = None) -> ds.Dataset:
    """Open the Parquet file or folder, or the files of the pattern, that a view reads.

    `columns` are wanted of it, by its own names; all that is declared for None.

    Raises DatasetNotPrepared, DatasetUnreadable, ColumnsMissing, and WrongValueType where its files have no
    type in common for a wanted column.
    """
    path = definitions.source_path
    if matched(str(path)) is None:
        raise DatasetNotPrepared(path)
    wanted = parquet_columns(definitions).all() if columns is None else columns
    with unreadable(path):
        dataset = open_dataset(str(path), wanted)
    if not dataset.files:
        raise DatasetUnreadable(path, "it is a folder without a Parquet file")
    missing = [name for name in wanted if name not in dataset.schema.names]
    if missing:
        raise ColumnsMissing(path, missing, dataset.schema.names)
    return dataset


def read_source(
    definitions: FeatureSet, columns: Sequence[str] | None = None, where: ds.Expression | None = None
) -> pa.Table:
    """Read the rows of `where` of what `open_source` opens.

    Raises what that does, and ValueOutOfRange where the type that files have in common does not hold a value.
    """
    dataset = open_source(definitions, columns)
    wanted = parquet_columns(definitions).all() if columns is None else list(columns)
    with unreadable(definitions.source_path), values_fit(dataset, wanted):
        return dataset.to_table(columns=wanted, filter=where)


def source_columns(definitions: FeatureSet) -> list[str]:
    """Name the columns of the source, as it calls them."""
    return list(open_source(definitions, []).schema.names)


def is_labelled(definitions: FeatureSet) -> bool:
    """Tell whether the source has the label."""
    return definitions.column(LABEL) in source_columns(definitions)


def labelled_view(served: ServedFeatures) -> ServedView:
    """Find the view whose source has the label: each row of that source is an example.

    Raises ColumnsMissing where the only source has none, LabelsUnavailable where none of several has one or
    more than one has, and what `open_source` does.
    """
    paths = list(dict.fromkeys(view.definitions.source_path for view in served.views))
    views = {
        item.definitions.source_path: item for item in served.views[::-1] if is_labelled(item.definitions)
    }
    if len(views) == 1:
        return next(iter(views.values()))
    if not views and len(paths) == 1:
        definitions = served.views[0].definitions
        raise ColumnsMissing(paths[0], [definitions.column(LABEL)], source_columns(definitions))
    which = "several of them have" if views else "none of them has"
    found = [path for path in paths if path in views] or paths
    raise LabelsUnavailable(found, f"{which} a column {LABEL}")


def declared_columns(rows: pa.Table | pa.RecordBatch, definitions: FeatureSet) -> pa.Table:
    """Return a source's rows as declared: join keys and features by their names, in their types.

    The event time keeps the source's name of it, in UTC and microseconds.
    """
    fields: tuple[Feature | JoinKey, ...] = (*definitions.join_keys, *definitions.features)
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    columns = {
        item.name: convert(table.column(definitions.column(item.name)), arrow_type(item)) for item in fields
    }
    moment = definitions.timestamp_column
    columns[moment] = utc_times(table.column(moment))
    return pa.table(columns)


def sample_view(
    definitions: FeatureSet,
    count: int,
    seed: int = SAMPLE_SEED,
    after: datetime | None = None,
    keys: Sequence[tuple[str, JoinKey]] | None = None,
) -> list[Key]:
    """Draw `count` entities that are current: they have a record within the ttl of the newest.

    Records in the future do not count, nor, where `after` (UTC) is given, those up to then. The same file and
    seed give the same ones. Where there are fewer, all of them are given.

    Args:
        keys: what makes an entity, each with the source's column of it; the view's own join keys for None.
    """
    if keys is None:
        keys = [(definitions.column(key.name), key) for key in definitions.join_keys]
    moment = definitions.timestamp_column
    records = read_source(definitions, list(dict.fromkeys([*(column for column, _ in keys), moment])))
    moments = utc_times(records.column(moment))
    there = pc.less_equal(moments, pa.scalar(datetime.now(timezone.utc), TIME))
    if after is not None:
        there = pc.and_(there, pc.greater(moments, pa.scalar(after, TIME)))
    records, moments = records.filter(there), moments.filter(there)
    if definitions.ttl is not None and records.num_rows:
        since = pa.scalar(pc.max(moments).as_py() - definitions.ttl, TIME)
        records = records.filter(pc.greater_equal(moments, since))
    kept = pa.table({key.name: convert(records.column(column), arrow_type(key)) for column, key in keys})
    distinct = kept.group_by(kept.column_names).aggregate([]).drop_null()
    known = sorted(zip(*(column.to_pylist() for column in distinct.columns), strict=True))
    return random.Random(seed).sample(known, min(count, len(known)))


def sample_keys(
    served: ServedFeatures, count: int, seed: int = SAMPLE_SEED, after: datetime | None = None
) -> list[Key]:
    """Draw `count` entities of a service as `sample_view` does: its join keys, in the order of its key names.

    They come from the source that has all of the service's join keys, preferably the labelled one; where none
    has, each view's are drawn by themselves.
    """
    present = [(view, source_columns(view.definitions)) for view in served.views]
    for view, names in sorted(present, key=lambda found: found[0].definitions.column(LABEL) not in found[1]):
        columns = served.key_columns(view)
        if set(columns.values()) <= set(names):
            keys = [(columns[key.name], key) for key in served.join_keys]
            return sample_view(view.definitions, count, seed, after, keys)
    entities: list[dict[str, Any]] = [{} for _ in range(count)]
    for view in served.views:
        for entity, key in zip(entities, sample_view(view.definitions, count, seed, after), strict=False):
            for name, part in zip(view.request_keys, key, strict=True):
                entity.setdefault(name, part)
    whole = [entity for entity in entities if len(entity) == len(served.key_names)]
    return [tuple(entity[name] for name in served.key_names) for entity in whole]


def latest_rows(
    definitions: FeatureSet, keys: Sequence[Key] | None = None, as_of: datetime | None = None
) -> dict[Key, KnownRow]:
    """Read the latest record of entities.

    Args:
        keys: the entities; None for all.
        as_of: aware; what was known at this moment, it included. None for the latest of all.

    Returns: A row a key; those without a record are absent.

    Raises what `read_source` does.
    """
    moment, wanted = definitions.timestamp_column, None if keys is None else set(keys)
    where = ds.scalar(True)
    if as_of is not None:
        if as_of.tzinfo is None:
            raise ValueError("as_of has no time zone")
        where &= _moments(moment) <= pa.scalar(as_of.astimezone(timezone.utc), TIME)
    for place, key in enumerate(definitions.join_keys if wanted is not None else ()):
        # In whatever combination with the others: which of the rows are meant is seen below.
        parts = pa.array(list({item[place] for item in wanted or ()}), arrow_type(key))
        where &= ds.field(definitions.column(key.name)).cast(parts.type).isin(parts)
    records = read_source(definitions, where=where)
    columns = parquet_columns(definitions)
    latest = LatestRows(columns.keys, columns.order())
    for batch in records.select(list(dict.fromkeys([*columns.keys, *columns.order()]))).to_batches():
        latest.add(batch)
    found = {}
    for row in declared_columns(records.take(pa.array(latest.positions())), definitions).to_pylist():
        entity = tuple(row[name] for name in definitions.key_names)
        if wanted is None or entity in wanted:
            found[entity] = KnownRow({name: row[name] for name in definitions.names}, row[moment])
    return found


def newest_event(definitions: FeatureSet, before: datetime | None = None) -> datetime | None:
    """Read the newest event time in the source, UTC, `before` excluded; None where there is no such row."""
    moment = definitions.timestamp_column
    where = None if before is None else _moments(moment) < pa.scalar(before, TIME)
    times = read_source(definitions, [moment], where).column(moment)
    newest: datetime | None = pc.max(utc_times(times)).as_py()
    return newest


def count_waiting(definitions: FeatureSet, now: datetime) -> int:
    """Count the rows in the source that lie after `now`, UTC."""
    moment = definitions.timestamp_column
    dataset = open_source(definitions, [moment])
    return int(dataset.count_rows(filter=_moments(moment) > pa.scalar(now, TIME)))


def dataset_fingerprint(path: Path) -> str:
    """Return a digest (SHA-256, hex) of what a source's path names: another content has another one.

    Raises DatasetNotPrepared: there is no such file.
    """
    there = matched(str(path))
    if there is None:
        raise DatasetNotPrepared(path)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [there] if isinstance(there, str) else there
    digest = sha256()
    for file in map(Path, files):
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def parquet_columns(definitions: FeatureSet) -> Columns:
    """Name what a view needs of its source, as the source does."""
    return Columns(
        keys=tuple(key_columns(definitions)),
        features=tuple(map(definitions.column, definitions.names)),
        timestamp=definitions.timestamp_column,
        created=definitions.created_timestamp_column,
    )


def _moments(column: str) -> ds.Expression:
    """Return the times of `column` as what they mean, naive ones too, whatever their precision."""
    return ds.field(column).cast(TIME, safe=False)
