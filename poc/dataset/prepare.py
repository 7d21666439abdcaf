"""Prepare the offline Parquet: find the records, check them, add timestamps, and, if all holds, write.

Records that are in place are kept as long as they hold; a file that breaks a rule changes nothing. Only a
Parquet whose note says that it was made here is ever written over: a person's is checked and used as it is.
Of a service over several views one source is prepared; the others are a person's.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from poc.command_line import doing
from poc.dataset.checks import as_labels, find_misfits, find_problems
from poc.dataset.column_types import LABEL, created_timestamp_column, key_columns, value_types
from poc.dataset.conversion import convert, convert_ids, convert_times
from poc.dataset.csv_file import find_csv
from poc.dataset.generate import generate_dataset
from poc.dataset.limits import read_limits
from poc.dataset.own_times import require_times_named
from poc.dataset.parquet import Provenance, write_parquet
from poc.dataset.sources import GENERATED, Records, Sources, find_sources, source_missing
from poc.dataset.stored import read_source, source_columns
from poc.dataset.timestamps import out_of_date, stamp, stamp_created, without_current
from poc.definitions import FeatureSet, ServedFeatures
from poc.errors import ColumnsMissing, DatasetRefused
from poc.online_store.source import matched

# Records in their final form, and the columns that were added to them.
_Completed: TypeAlias = tuple[Records, pa.Table, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PreparedDataset:
    """What the Parquet holds after a preparation.

    Attributes:
        origin: where they come from, to follow "Data prepared from".
        changed: whether this preparation wrote the file.
        added_columns: declared features that the generated records did not have yet.
    """

    path: Path
    records: int
    origin: str
    changed: bool
    added_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedDataset(PreparedDataset):
    """What a preparation would put into the Parquet: records that hold, timestamped, not yet written.

    Attributes:
        changed: whether the Parquet that is in place, if any, is another.
        table: the records with every declared column, as the source calls it, of the declared types.
        provenance: where they come from; None for a source that is only checked.
    """

    definitions: FeatureSet
    table: pa.Table
    provenance: Provenance | None


def prepare_dataset(
    definitions: FeatureSet, data_dir: Path, now: datetime, *, refresh: bool = False
) -> PreparedDataset:
    """Make `definitions.source_path` hold checked, timestamped records with every declared feature.

    A person's `<data_dir>/<name of the Parquet>.csv` is used where there is one; a person's Parquet in that
    place stays as it is; else 10,000 records are generated. A second call changes nothing, unless the
    person's file is another, the declarations have changed, or our timestamps have aged out.

    Args:
        now: aware; timestamps that we make lie in the days before it.
        refresh: make anew what was made by us: generated records, and timestamps.

    Raises DatasetUnreadable, DatasetRefused, ColumnsMissing, TwoDatasets, SourceMissing, DatasetNotWritten,
    InvalidDefinitions.
    """
    return write_dataset(check_dataset(definitions, data_dir, now, refresh=refresh))


def write_dataset(checked: CheckedDataset) -> PreparedDataset:
    """Put records that hold into the Parquet, where another one is there.

    Raises DatasetNotWritten: the Parquet cannot be put in place.
    """
    if checked.changed and checked.provenance is not None:
        write_parquet(checked.path, checked.table, checked.provenance)
    return PreparedDataset(*(getattr(checked, item.name) for item in fields(PreparedDataset)))


def check_service(
    served: ServedFeatures, data_dir: Path, now: datetime, *, refresh: bool = False
) -> tuple[CheckedDataset, ...]:
    """Check what every view of a service reads, the one that is prepared first. Writes nothing.

    Args: as for `prepare_dataset`, of the views of `served`.

    Raises SourceMissing, and what it calls does.
    """
    prepared = _prepared_view(served, data_dir)
    checked = []
    if prepared is not None:
        with doing(f"preparing {prepared.source_path}"):
            checked.append(check_dataset(prepared, data_dir, now, refresh=refresh))
    # A person's file stays as it is, and so every view is held to what it has.
    known = {item.path: item.table for item in checked if item.provenance is not None}
    for definitions in served.feature_sets:
        if definitions is not prepared:
            with doing(f"reading {definitions.source_path}"):
                checked.append(check_source(definitions, known.get(definitions.source_path)))
    return tuple(checked)


def _prepared_view(served: ServedFeatures, data_dir: Path) -> FeatureSet | None:
    """Choose the view whose source is ours to write: the only one, or the one of the labelled records.

    None is where a person has many files, or features and no labels, which are needed for training alone.
    """
    views = served.feature_sets
    if len(views) == 1:
        return None if _is_only_read(views[0], data_dir) else views[0]
    labelled = [view for view in views if view.source_path.is_file() and LABEL in source_columns(view)]
    given = [view for view in views if find_csv(data_dir, view.source_path).exists()]
    generated = [view for view in views if view.source_path.name == GENERATED]
    return next((view for found in (labelled, given, generated) for view in found), None)


def _is_only_read(view: FeatureSet, data_dir: Path) -> bool:
    path, moment = view.source_path, view.timestamp_column
    there = matched(str(path))
    if isinstance(there, list) or (there is not None and path.is_dir()):
        return True  # Many files are a person's.
    if there is None or not moment or find_csv(data_dir, path).exists():
        return False
    columns = source_columns(view)
    return moment in columns and LABEL not in columns


def check_source(definitions: FeatureSet, known: pa.Table | None = None) -> CheckedDataset:
    """Check a source that is not ours to write: its columns, types and limits.

    Args:
        known: what it is going to hold, where it is prepared for another view; None for what is there.

    Raises SourceMissing, DatasetUnreadable, DatasetRefused, ColumnsMissing.
    """
    path = definitions.source_path
    names = [*value_types(definitions, label=False), definitions.timestamp_column]
    if known is None:
        if matched(str(path)) is None:
            raise source_missing(definitions)
        known = read_source(definitions)
        if LABEL in source_columns(definitions):
            as_labels(read_source(definitions, [LABEL]).column(LABEL), definitions)
    original = known.select(names)
    moments = original.schema.field(definitions.timestamp_column).type
    if not pa.types.is_timestamp(moments):
        raise DatasetRefused(path, [f"{definitions.timestamp_column}: {moments}, and no timestamps"])
    table = _converted(original, definitions, label=False)
    optional = [definitions.column(name) for name in definitions.names]
    problems = find_problems(table, original, definitions, lambda row: f"row {row}", optional=optional)
    if problems:
        raise DatasetRefused(path, problems)
    return CheckedDataset(path, table.num_rows, str(path), False, (), definitions, table, None)


def check_dataset(
    definitions: FeatureSet, data_dir: Path, now: datetime, *, refresh: bool = False
) -> CheckedDataset:
    """Find, check and timestamp the records as `prepare_dataset` does, and write nothing.

    Args, and what is raised: as there, but for DatasetNotWritten.
    """
    if now.tzinfo is None:
        raise ValueError("now has no time zone")
    csv_path = find_csv(data_dir, definitions.source_path)
    sources = find_sources(definitions, csv_path, refresh=refresh)
    records, table, added = _first_that_holds(sources, definitions, now, refresh)
    provenance, stored, path = records.provenance, sources.stored, definitions.source_path
    if records.owned:
        return CheckedDataset(path, table.num_rows, str(path), False, added, definitions, table, None)
    same = stored is not None and _same(table, stored.table, definitions)
    changed = not same or stored is None or stored.provenance != provenance
    origin = {"csv": str(csv_path), "parquet": str(path)}.get(provenance.origin, "generated transactions")
    return CheckedDataset(path, table.num_rows, origin, changed, added, definitions, table, provenance)


def _first_that_holds(sources: Sources, definitions: FeatureSet, now: datetime, refresh: bool) -> _Completed:
    *preferred, last = sources.candidates
    for candidate in preferred:
        try:
            return _complete(candidate(), sources.replaced, definitions, now, refresh)
        except (DatasetRefused, ColumnsMissing):
            # What is in place no longer fits the declarations. The file it came from may, and if not,
            # that is the file whose lines a person can correct.
            continue
    return _complete(last(), sources.replaced, definitions, now, refresh)


def _complete(
    records: Records, replaced: pa.Table | None, definitions: FeatureSet, now: datetime, refresh: bool
) -> _Completed:
    """Bring records to their final form: declared columns and types, checked, with timestamps."""
    original, added = _with_declared_columns(records, definitions)
    require_times_named(records, definitions)
    table = _converted(original, definitions)
    made_by_us = not records.provenance.own_timestamps
    moment = definitions.timestamp_column
    unique = key_columns(definitions)
    # Generated records have older ones of some ids.
    if moment in table.column_names and (not made_by_us or records.provenance.origin == "generated"):
        unique.append(moment)
    optional = (moment, created_timestamp_column(definitions)) if made_by_us else ()
    place = records.place
    problems = find_problems(table, original, definitions, place, unique=unique, optional=optional)
    if not problems and records.owned:
        problems = find_misfits(original.schema, definitions)
    if problems:
        raise DatasetRefused(records.path, problems)
    if records.owned:
        return records, table, added
    seed = records.provenance.seed
    if made_by_us:
        stamped_before = moment in table.column_names and table.column(moment).null_count == 0
        if stamped_before and (refresh or out_of_date(table, definitions, now)):
            table = without_current(table, definitions)
        table = stamp(table, definitions, now, seed, replaced)
    # A column that nobody declared would be one more for Feast to infer from.
    if made_by_us or definitions.created_timestamp_column is not None:
        table = stamp_created(table, definitions, seed)
    return records, table, added


def _with_declared_columns(records: Records, definitions: FeatureSet) -> tuple[pa.Table, tuple[str, ...]]:
    """Add features that generated records lack; refuse other records that lack any column."""
    table = records.table
    if table.num_rows == 0:
        raise DatasetRefused(records.path, ["it has no records"])
    wanted = list(value_types(definitions))
    if records.owned or created_timestamp_column(definitions) in table.column_names:
        wanted.append(definitions.timestamp_column)
    if records.owned and definitions.created_timestamp_column is not None:
        wanted.append(definitions.created_timestamp_column)
    missing = [name for name in wanted if name not in table.column_names]
    if not missing:
        return table, ()
    features = {definitions.column(name) for name in definitions.names}
    if records.provenance.origin == "generated" and set(missing) <= features:
        generated = generate_dataset(definitions, records.provenance.seed)
        [key] = key_columns(definitions)
        if generated.column(key).equals(table.column(key)):
            for name in missing:
                table = table.append_column(name, generated.column(name))
            return table, tuple(missing)
    raise ColumnsMissing(records.path, missing, table.column_names)


def _converted(table: pa.Table, definitions: FeatureSet, label: bool = True) -> pa.Table:
    """Give every column that we know its declared type; other columns stay as they are."""
    features = {definitions.column(feature.name): feature for feature in definitions.features}
    for name, kind in value_types(definitions, label).items():
        if name not in features and pa.types.is_string(kind):
            column = convert_ids(table.column(name))
        else:
            binary = name == LABEL or (name in features and read_limits(features[name]).binary)
            column = convert(table.column(name), kind, binary)
        table = table.set_column(table.column_names.index(name), name, column)
    for name in (definitions.timestamp_column, created_timestamp_column(definitions)):
        if name in table.column_names:
            column = convert_times(table.column(name))
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def _same(table: pa.Table, stored: pa.Table, definitions: FeatureSet) -> bool:
    """Tell whether two preparations of the same records are one; columns that we never touch are."""
    times = {definitions.timestamp_column, created_timestamp_column(definitions)}
    names = [*value_types(definitions), *times & set(table.column_names)]
    if table.column_names != stored.column_names:
        return False
    pairs = [(table.column(name), stored.column(name)) for name in names]
    return all(new.type == old.type and new.equals(old) for new, old in pairs)
