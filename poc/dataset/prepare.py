"""Prepare the offline Parquet: find the records, check them, add timestamps, and, if all holds, write.

Records that are in place are kept as long as they hold; a file that breaks a rule changes nothing. Only a
Parquet whose note says that it was made here is ever written over: a person's is checked and used as it is.
Of a service over several views one source is prepared; the others are a person's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from poc.command_line import doing
from poc.dataset.checks import as_labels, find_misfits, find_problems, find_unwritable
from poc.dataset.columns import LABEL, key_columns, read_limits, time_columns, value_types, with_columns_of
from poc.dataset.conversion import convert, convert_ids, convert_times, with_column
from poc.dataset.generate import generate_dataset
from poc.dataset.parquet import Provenance, Records, write_parquet
from poc.dataset.sources import GENERATED, find_csv, find_sources, source_missing
from poc.dataset.stored import is_labelled, read_source, source_columns
from poc.dataset.timestamps import out_of_date, require_times_named, stamp, stamp_created, without_current
from poc.definitions import FeatureSet, ServedFeatures
from poc.errors import ColumnsMissing, DatasetRefused, TwoDatasets
from poc.online_store.source import matched


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

    Args: as for `check_dataset`, of the views of `served`.

    Raises SourceMissing, and what it calls does.
    """
    prepared = _prepared_view(served, data_dir)
    checked = []
    if prepared is not None:
        with doing(f"preparing {prepared.source_path}"):
            others = [view for view in served.feature_sets if view.source_path == prepared.source_path]
            checked.append(check_dataset(prepared, data_dir, now, refresh=refresh, others=others))
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
    labelled = [view for view in views if view.source_path.is_file() and is_labelled(view)]
    given = [view for view in views if find_csv(data_dir, view.source_path).exists()]
    generated = [view for view in views if view.source_path.name == GENERATED]
    return next((view for found in (labelled, given, generated) for view in found), None)


def _is_only_read(view: FeatureSet, data_dir: Path) -> bool:
    path, moment, csv = view.source_path, view.timestamp_column, find_csv(data_dir, view.source_path)
    there = matched(str(path))
    if isinstance(there, list) or (there is not None and path.is_dir()):
        if csv.exists():
            raise TwoDatasets(csv, path)
        return True  # Many files are a person's.
    if there is None or not moment or csv.exists():
        return False
    columns = source_columns(view)
    return moment in columns and view.column(LABEL) not in columns


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
        if is_labelled(definitions):
            as_labels(read_source(definitions, [definitions.column(LABEL)]).column(0), definitions)
    original = known.select(names)
    moments = original.schema.field(definitions.timestamp_column).type
    if not pa.types.is_timestamp(moments):
        raise DatasetRefused(path, [f"{definitions.timestamp_column}: {moments}, and no timestamps"])
    table = _converted(original, definitions, label=False)
    optional = [definitions.column(name) for name in definitions.names]
    problems = find_problems(table, original, definitions, "row {}".format, optional=optional, label=False)
    problems = problems or find_unwritable(original, definitions)
    if problems:
        raise DatasetRefused(path, problems)
    return CheckedDataset(path, table.num_rows, str(path), False, (), definitions, table, None)


def check_dataset(
    definitions: FeatureSet,
    data_dir: Path,
    now: datetime,
    *,
    refresh: bool = False,
    others: Sequence[FeatureSet] = (),
) -> CheckedDataset:
    """Find, check and timestamp the records for `definitions.source_path`, and write nothing.

    A person's `<data_dir>/<name of the Parquet>.csv` is used where there is one; a person's Parquet in that
    place stays as it is; else 10,000 records are generated. What was written is what is found again, unless
    the person's file is another, the declarations have changed, or our timestamps have aged out.

    Args:
        now: aware; timestamps that we make lie in the days before it.
        refresh: make anew what was made by us: generated records, and timestamps.
        others: views that read the same Parquet: what we write there is of their types, too.

    Raises DatasetUnreadable, DatasetRefused, ColumnsMissing, TwoDatasets, SourceMissing, InvalidDefinitions.
    """
    if now.tzinfo is None:
        raise ValueError("now has no time zone")
    csv_path = find_csv(data_dir, definitions.source_path)
    whole, optional = with_columns_of(others, definitions)
    stored, candidates = find_sources(whole, csv_path, refresh=refresh)
    # If we put them there, their transactions may be online.
    replaced = None if stored is None or stored.owned else stored.table
    for candidate in candidates:
        try:
            records = candidate()
            # A person's Parquet is used as it is, and each view held to it by itself.
            declared = definitions if records.owned else whole
            records, table, added = _complete(records, replaced, declared, optional, now, refresh)
            break
        except (DatasetRefused, ColumnsMissing):
            # What is in place no longer fits the declarations. The file it came from may, and if not,
            # that is the file whose lines a person can correct.
            if candidate is candidates[-1]:
                raise
    provenance, path = records.provenance, definitions.source_path
    kept = records.owned or (
        stored is not None and stored.provenance == provenance and _is_same(table, stored.table, whole)
    )
    origin = {"csv": str(csv_path), "parquet": str(path)}.get(provenance.origin, "generated transactions")
    ours = None if records.owned else provenance
    return CheckedDataset(path, table.num_rows, origin, not kept, added, definitions, table, ours)


def _complete(
    records: Records,
    replaced: pa.Table | None,
    definitions: FeatureSet,
    optional: Collection[str],
    now: datetime,
    refresh: bool,
) -> tuple[Records, pa.Table, tuple[str, ...]]:
    """Return records, their final form (declared, checked, with timestamps), and the columns added."""
    original, added = _with_declared_columns(records, definitions)
    require_times_named(records, definitions)
    table = _converted(original, definitions)
    made_by_us = not records.provenance.own_timestamps
    moment = definitions.timestamp_column
    unique = key_columns(definitions)
    # Generated records have older ones of some ids.
    if moment in table.column_names and (not made_by_us or records.provenance.origin == "generated"):
        unique.append(moment)
    optional = [*optional, *time_columns(definitions)] if made_by_us else optional
    problems = find_problems(table, original, definitions, records.place, unique=unique, optional=optional)
    if not problems and records.owned:
        problems = find_misfits(original.schema, definitions) or find_unwritable(original, definitions)
    if problems:
        raise DatasetRefused(records.path, problems)
    if records.owned:
        return records, table, added
    seed = records.provenance.seed
    if made_by_us:
        stamped = moment in table.column_names and table.column(moment).null_count == 0
        if stamped and (refresh or out_of_date(table, definitions, now)):
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
    if records.owned or time_columns(definitions)[1] in table.column_names:
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
    """Return every column that we know in its declared type; other columns stay as they are."""
    features = {definitions.column(feature.name): feature for feature in definitions.features}
    for name, kind in value_types(definitions, label).items():
        if name not in features and pa.types.is_string(kind):
            column = convert_ids(table.column(name))
        else:
            binary = name == definitions.column(LABEL) or (
                name in features and read_limits(features[name]).binary
            )
            column = convert(table.column(name), kind, binary)
        table = with_column(table, name, column)
    for name in time_columns(definitions):
        if name in table.column_names:
            table = with_column(table, name, convert_times(table.column(name)))
    return table


def _is_same(table: pa.Table, stored: pa.Table, definitions: FeatureSet) -> bool:
    """Tell whether two preparations of the same records are one; columns that we never touch are."""
    names = {*value_types(definitions), *time_columns(definitions)} & set(table.column_names)
    # Column by column: whether a file lets a column be null makes no other values of it.
    return table.column_names == stored.column_names and all(
        table.column(name).equals(stored.column(name)) for name in names
    )
