"""What the data must be, by the declarations; which rows break which rule, in plain words.

Knows rules and how to say that one is broken. Types are brought about before, by `conversion`: a value
that has none of the declared type arrives here as null.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poc.dataset.columns import LABEL, TIME, Limits, key_columns, read_limits, time_columns, value_types
from poc.dataset.conversion import convert, described
from poc.dataset.history import entity_numbers
from poc.definitions import Feature, FeatureSet, JoinKey
from poc.errors import DatasetRefused
from poc.online_store.errors import ValueOutOfRange, WrongValueType
from poc.online_store.source import UNITS_PER_SECOND

_SHOWN_ROWS = 3
_SHOWN_LABELS = 5
_SHOWN_CHARACTERS = 40
_NO_LABEL = "neither 0 nor 1"
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=timezone.utc).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp())
# A declared type, and others that are read as it.
_FITTING: tuple[tuple[Callable[[pa.DataType], bool], ...], ...] = (
    (pa.types.is_string, pa.types.is_large_string),
    (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal),
    (pa.types.is_boolean, pa.types.is_integer),
    (pa.types.is_binary, pa.types.is_large_binary),
    # Seconds since 1970.
    (pa.types.is_timestamp, pa.types.is_integer),
    (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
)


def find_problems(
    table: pa.Table,
    original: pa.Table,
    definitions: FeatureSet,
    place: Callable[[int], str],
    *,
    unique: Sequence[str] = (),
    optional: Collection[str] = (),
    label: bool = True,
) -> list[str]:
    """Check the columns of `table` that are declared, its label and its times, and say what is wrong.

    Args:
        original: the same rows as they were found: what a person would see.
        place: says where a row is, given its number from 0, for example "line 2".
        unique: columns that together stand in one record only.
        optional: columns that may lack a value.
        label: whether the label's column is one here, or what a view declares it as.

    Returns: One line a column and rule that is broken, with the number of rows and the first of them.
    """
    broken: dict[tuple[str, str], list[int]] = {}
    limits = {definitions.column(item.name): read_limits(item) for item in definitions.features}
    # What a feature of that name may be says nothing of a time, nor of the label.
    labels = [definitions.column(LABEL)] if label else []
    limits |= dict.fromkeys((*time_columns(definitions), *labels), Limits())
    kinds = value_types(definitions, label) | dict.fromkeys(time_columns(definitions), TIME)
    for column, kind in kinds.items():
        if column not in table.column_names:
            continue
        values, is_label = table.column(column), column in labels
        absent = np.flatnonzero(pc.is_null(values, nan_is_null=True).to_numpy())
        found = original.column(column).take(pa.array(absent)).to_pylist()
        blank = np.array([_is_blank(value) for value in found], bool)
        if column not in optional:
            broken[column, "missing"] = absent[blank].tolist()
        broken[column, _NO_LABEL if is_label else f"not {described(kind)}"] = absent[~blank].tolist()
        for rule, places in _broken_rules(values, limits.get(column, Limits()), is_label):
            broken.setdefault((column, rule), []).extend(places.tolist())
    keys = table.select(unique)
    # Which rows they are is found out only where there are some.
    if keys.num_columns and keys.group_by(keys.column_names).aggregate([]).num_rows < table.num_rows:
        numbers = entity_numbers(keys.columns, table.num_rows)
        rule = "repeated at the same time" if definitions.timestamp_column in unique else "repeated"
        repeated = np.flatnonzero(np.bincount(numbers)[numbers] > 1).tolist()
        broken[key_columns(definitions)[0], rule] = repeated
    problems = []
    for (column, rule), rows in broken.items():
        if rows:
            values = None if rule == "missing" else original.column(column)
            problems.append(f"{column}: {rule} in {describe_rows(rows, place, values)}")
    return problems


def _broken_rules(
    values: pa.ChunkedArray, limits: Limits, label: bool
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each rule of a column, and the rows whose value breaks it; one that is absent breaks none."""
    rows, present = np.flatnonzero(values.is_valid().to_numpy()), values.drop_null()
    if label:
        yield _NO_LABEL, rows[~np.isin(present.to_numpy(), (0, 1))]
    if pa.types.is_floating(present.type):
        yield "infinite", rows[np.isinf(present.to_numpy())]
    if pa.types.is_timestamp(present.type):
        # Python has no others, and most are counts in another unit than the type's.
        ticks, each = present.cast(pa.int64()).to_numpy(), UNITS_PER_SECOND[present.type.unit]
        if each < UNITS_PER_SECOND["ns"]:
            outside = (ticks < _FIRST_SECOND * each) | (ticks > _LAST_SECOND * each + each - 1)
            yield "of no year from 1 to 9999", rows[outside]
    if limits.minimum is not None:
        yield f"below {limits.minimum:.15g}", rows[present.to_numpy() < limits.minimum]
    if limits.maximum is not None:
        yield f"above {limits.maximum:.15g}", rows[present.to_numpy() > limits.maximum]
    if limits.values is not None:
        others = pc.invert(pc.is_in(present, pa.array(limits.values, present.type)))
        yield f"none of {', '.join(limits.values)}", rows[others.to_numpy()]


def as_labels(column: pa.ChunkedArray, definitions: FeatureSet) -> pa.ChunkedArray:
    """Return labels as 0 and 1, null where there is none.

    Raises DatasetRefused: there are other values.
    """
    labels = convert(column, pa.int64(), binary=True)
    unread = column.filter(pc.invert(pc.is_in(labels, pa.array([0, 1])))).to_pylist()
    wrong = [value for value in unread if not _is_blank(value) and value == value]  # A NaN is nothing, too.
    if wrong:
        distinct = list(dict.fromkeys(f"{value!r:.40}" for value in wrong))
        found = ", ".join(distinct[:_SHOWN_LABELS]) + (", ..." if distinct[_SHOWN_LABELS:] else "")
        problem = f"{definitions.column(LABEL)}: {_NO_LABEL} in {_counted(len(wrong))} ({found})"
        allowed = "allowed are 0 and 1, false and true, and nothing where it is not known"
        raise DatasetRefused(definitions.source_path, [f"{problem}; {allowed}"])
    return labels


def find_misfits(schema: pa.Schema, definitions: FeatureSet) -> list[str]:
    """Name the columns of a file that is used as it is whose type nobody who reads it takes for the declared.

    Materialization and training convert numbers of any width, and text however it is kept.
    """
    problems = [
        f"{name}: {schema.field(name).type}, and declared as {described(kind)}: declare the type that it has,"
        " or write it with the other; this file is never rewritten"
        for name, kind in value_types(definitions, label=False).items()
        if not _fits(schema.field(name).type, kind)
    ]
    for time in (definitions.timestamp_column, definitions.created_timestamp_column):
        if time is not None and not pa.types.is_timestamp(schema.field(time).type):
            problems.append(f"{time}: {schema.field(time).type}, and no timestamps")
    return problems


def find_unwritable(rows: pa.Table, definitions: FeatureSet) -> list[str]:
    """Say what materialization refuses of a file that is used as it is: of a CSV more text is read."""
    from poc.online_store.arrow_columns import require_fit
    from poc.online_store.types import column_type

    problems = []
    declared: tuple[Feature | JoinKey, ...] = (*definitions.join_keys, *definitions.features)
    for item in declared:
        name = definitions.column(item.name)
        try:
            for part in rows.column(name).chunks:
                require_fit(part, column_type(item.name, item.dtype), name)
        except (WrongValueType, ValueOutOfRange) as error:
            problems.append(str(error).splitlines()[0])
    return problems


def _fits(stored: pa.DataType, declared: pa.DataType) -> bool:
    plain = stored.value_type if pa.types.is_dictionary(stored) else stored
    return any(kinds[0](declared) and any(holds(plain) for holds in kinds) for kinds in _FITTING)


def describe_rows(rows: Sequence[int], place: Callable[[int], str], values: pa.ChunkedArray | None) -> str:
    """Say how many rows there are, where the first of them are, and what stands there."""
    first = sorted(rows)[:_SHOWN_ROWS]
    shown = [f"{place(row)}{'' if values is None else f': {_shown(values[row])}'}" for row in first]
    return f"{_counted(len(rows))} ({', '.join(shown)}{', ...' if len(rows) > _SHOWN_ROWS else ''})"


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _shown(value: pa.Scalar) -> str:
    try:
        text = repr(value.as_py())
    except (ValueError, OverflowError):
        text = f"{value.cast(pa.int64())} {value.type.unit} since 1970"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _is_blank(value: Any) -> bool:
    """Whether there is no value, or text of spaces alone."""
    return value is None or (isinstance(value, str) and not value.strip())
