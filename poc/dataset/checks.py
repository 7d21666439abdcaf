"""What the data must be: a pandera schema built from the declarations, and its failures in plain words.

Knows rules and how to say that one is broken. Types are brought about before, by `conversion`: a value
that has none of the declared type arrives here as null.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from poc.dataset.column_types import (
    LABEL,
    TIME,
    arrow_type,
    created_timestamp_column,
    key_columns,
    value_types,
)
from poc.dataset.conversion import described
from poc.dataset.history import entity_numbers
from poc.dataset.limits import Limits, read_limits
from poc.definitions import FeatureSet

if TYPE_CHECKING:
    from pandera.pandas import Check, Column, DataFrameSchema

SHOWN = 3
_SHOWN_CHARACTERS = 40
_MISSING = "not_nullable"
NO_LABEL = "neither 0 nor 1"
_ROWS_AT_A_TIME = 50_000
# With these, nulls leave whole numbers whole.
_PANDAS_TYPES = {pa.int64(): "Int64", pa.int32(): "Int32", pa.bool_(): "boolean"}
# A declared type, and those that are read as it.
_FITTING: tuple[tuple[Callable[[pa.DataType], bool], ...], ...] = (
    (pa.types.is_string, pa.types.is_string, pa.types.is_large_string),
    (pa.types.is_integer, pa.types.is_integer, pa.types.is_floating),
    (pa.types.is_floating, pa.types.is_integer, pa.types.is_floating),
    (pa.types.is_boolean, pa.types.is_boolean),
    (pa.types.is_binary, pa.types.is_binary, pa.types.is_large_binary),
    (pa.types.is_timestamp, pa.types.is_timestamp),
    (pa.types.is_list, pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
)


def build_schema(
    definitions: FeatureSet, *, times: bool, nullable_times: bool, unique: Sequence[str]
) -> "DataFrameSchema":
    """Build the schema of labelled data; `unique` columns together stand in one record only."""
    from pandera.pandas import Check, Column, DataFrameSchema

    columns = _declared_columns(definitions)
    columns[LABEL] = Column("Int64", Check.isin([0, 1], error=NO_LABEL))
    if times:
        columns[definitions.timestamp_column] = Column(nullable=nullable_times)
        columns[created_timestamp_column(definitions)] = Column(nullable=nullable_times, required=False)
    return DataFrameSchema(columns, unique=list(unique))


def build_source_schema(definitions: FeatureSet) -> "DataFrameSchema":
    """Build the schema of a source that is only read: no label, and Feast chooses among repeated keys."""
    from pandera.pandas import Column, DataFrameSchema

    return DataFrameSchema({**_declared_columns(definitions), definitions.timestamp_column: Column()})


def _declared_columns(definitions: FeatureSet) -> "dict[str, Column]":
    from pandera.pandas import Column

    columns = {}
    for key in definitions.join_keys:
        columns[definitions.column(key.name)] = Column(_PANDAS_TYPES.get(arrow_type(key)))
    for feature in definitions.features:
        kind = arrow_type(feature)
        checks = _limit_checks(read_limits(feature), kind)
        columns[definitions.column(feature.name)] = Column(_PANDAS_TYPES.get(kind), checks)
    return columns


def _limit_checks(limits: Limits, kind: pa.DataType) -> "list[Check]":
    from pandera.pandas import Check

    checks = []
    if pa.types.is_floating(kind):
        checks.append(Check(lambda values: np.isfinite(values), error="infinite"))
    if limits.minimum is not None:
        checks.append(Check.ge(limits.minimum, error=f"below {limits.minimum:.15g}"))
    if limits.maximum is not None:
        checks.append(Check.le(limits.maximum, error=f"above {limits.maximum:.15g}"))
    if limits.values is not None:
        checks.append(Check.isin(limits.values, error=f"none of {', '.join(limits.values)}"))
    return checks


def find_problems(
    table: pa.Table,
    original: pa.Table,
    schema: "DataFrameSchema",
    definitions: FeatureSet,
    place: Callable[[int], str],
    optional: Collection[str] = (),
) -> list[str]:
    """Check `table`, and say what is wrong with it.

    Args:
        original: the same rows as they were found: what a person would see.
        place: says where a row is, given its number from 0, for example "line 2".
        optional: columns that may lack a value.

    Returns: One line a column and rule that is broken, with the number of rows and the first of them.
    """
    broken: dict[tuple[str, str], list[int]] = {}
    kinds = value_types(definitions)
    for column, rule, number in _failures(table, schema):
        if rule == _MISSING:
            blank = is_blank(original.column(column)[number].as_py())
            if blank and column in optional:
                continue
            unread = NO_LABEL if column == LABEL else f"not {described(kinds.get(column, TIME))}"
            rule = "missing" if blank else unread
        broken.setdefault((column, rule), []).append(number)
    keys = table.select(schema.unique or [])
    # Which rows they are is found out only where there are some.
    if keys.num_columns and keys.group_by(keys.column_names).aggregate([]).num_rows < table.num_rows:
        numbers = entity_numbers(keys.columns, table.num_rows)
        rule = (
            "repeated at the same time" if definitions.timestamp_column in keys.column_names else "repeated"
        )
        rows = np.flatnonzero(np.bincount(numbers)[numbers] > 1).tolist()
        broken[key_columns(definitions)[0], rule] = rows
    problems = []
    for (column, rule), rows in broken.items():
        values = None if rule == "missing" else original.column(column)
        problems.append(f"{column}: {rule} in {describe_rows(rows, place, values)}")
    return problems


def find_misfits(schema: pa.Schema, definitions: FeatureSet) -> list[str]:
    """Name the columns of a file that is used as it is whose type nobody who reads it takes for the declared.

    Materialization and training convert numbers of any width, and text however it is kept.
    """
    problems = []
    for name, kind in value_types(definitions, label=False).items():
        stored = schema.field(name).type
        if not _fits(stored, kind):
            problems.append(
                f"{name}: {stored}, and declared as {described(kind)}: declare the type that it has, or write"
                " it with the other; this file is never rewritten"
            )
    for time in (definitions.timestamp_column, definitions.created_timestamp_column):
        if time is not None and not pa.types.is_timestamp(schema.field(time).type):
            problems.append(f"{time}: {schema.field(time).type}, and no timestamps")
    return problems


def _fits(stored: pa.DataType, declared: pa.DataType) -> bool:
    plain = stored.value_type if pa.types.is_dictionary(stored) else stored
    wanted = next((kinds for is_declared, *kinds in _FITTING if is_declared(declared)), [])
    return any(is_stored(plain) for is_stored in wanted)


def _failures(table: pa.Table, schema: "DataFrameSchema") -> Iterator[tuple[str, str, int]]:
    """Yield column, rule and row of what breaks a column's rule; in parts, so that few rows are in pandas."""
    from pandera.errors import SchemaErrors
    from pandera.pandas import DataFrameSchema

    columns = DataFrameSchema(schema.columns)
    # Without the metadata: what pandas noted in a person's file can make an index of a column.
    known = table.select([name for name in schema.columns if name in table.column_names])
    known = known.replace_schema_metadata()
    for start in range(0, table.num_rows, _ROWS_AT_A_TIME):
        frame = known.slice(start, _ROWS_AT_A_TIME).to_pandas(types_mapper=_nullable_type)
        try:
            columns.validate(frame, lazy=True)
        except SchemaErrors as error:
            found = error.failure_cases
            for column, rule, row in zip(found["column"], found["check"], found["index"], strict=True):
                yield str(column), str(rule), start + int(row)


def _nullable_type(kind: pa.DataType) -> Any:
    import pandas as pd

    name = _PANDAS_TYPES.get(kind)
    return None if name is None else pd.api.types.pandas_dtype(name)


def describe_rows(rows: Sequence[int], place: Callable[[int], str], values: pa.ChunkedArray | None) -> str:
    """Say how many rows there are, where the first of them are, and what stands there."""
    total = f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}"
    first = sorted(rows)[:SHOWN]
    shown = [f"{place(row)}{'' if values is None else f': {_shown(values[row].as_py())}'}" for row in first]
    return f"{total} ({', '.join(shown)}{', ...' if len(rows) > SHOWN else ''})"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def is_blank(value: Any) -> bool:
    """Tell whether nothing is said: no value, or text of spaces alone."""
    return value is None or (isinstance(value, str) and not value.strip())
