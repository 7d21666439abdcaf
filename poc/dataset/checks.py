"""What the data must be: a pandera schema built from the declarations, and its failures in plain words.

Knows rules and how to say that one is broken. Types are brought about before, by `conversion`: a value
that has none of the declared type arrives here as null.
"""

from collections.abc import Callable, Collection, Sequence
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
from poc.dataset.limits import Limits, read_limits
from poc.definitions import FeatureSet

if TYPE_CHECKING:
    from pandera.pandas import Check, Column, DataFrameSchema

SHOWN = 3
_SHOWN_CHARACTERS = 40
_MISSING = "not_nullable"
_REPEATED = "multiple_fields_uniqueness"
# With these, nulls leave whole numbers whole.
_PANDAS_TYPES = {pa.int64(): "Int64", pa.int32(): "Int32", pa.bool_(): "boolean"}


def build_schema(
    definitions: FeatureSet, *, times: bool, nullable_times: bool, unique: Sequence[str]
) -> "DataFrameSchema":
    """Build the schema of labelled data; `unique` columns together stand in one record only."""
    from pandera.pandas import Check, Column, DataFrameSchema

    columns = _declared_columns(definitions)
    columns[LABEL] = Column("Int64", Check.isin([0, 1], error="neither 0 nor 1"))
    if times:
        columns[definitions.timestamp_column] = Column(nullable=nullable_times)
        columns[created_timestamp_column(definitions)] = Column(nullable=nullable_times, required=False)
    return DataFrameSchema(columns, unique=list(unique), report_duplicates="all")


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
    from pandera.errors import SchemaErrors

    known = table.select([name for name in schema.columns if name in table.column_names])
    # Without the metadata: what pandas noted in a person's file can make an index of a column.
    frame = known.replace_schema_metadata().to_pandas(types_mapper=_nullable_type)
    try:
        schema.validate(frame, lazy=True)
        return []
    except SchemaErrors as error:
        failures = error.failure_cases
    broken: dict[tuple[str, str], list[int]] = {}
    kinds = value_types(definitions)
    first_key = next(iter(key_columns(definitions)), None)
    repeated_with = set(failures["column"][failures["check"] == _REPEATED])
    for column, rule, row in zip(failures["column"], failures["check"], failures["index"], strict=True):
        if rule == _REPEATED and column != first_key:
            continue  # Reported once for each of the columns that are unique together.
        number = int(row)
        if rule == _MISSING:
            blank = _is_blank(original.column(column)[number].as_py())
            if blank and column in optional:
                continue
            rule = "missing" if blank else f"not {described(kinds.get(column, TIME))}"
        elif rule == _REPEATED:
            timed = definitions.timestamp_column in repeated_with
            rule = "repeated at the same time" if timed else "repeated"
        broken.setdefault((str(column), str(rule)), []).append(number)
    problems = []
    for (column, rule), rows in broken.items():
        values = None if rule == "missing" else original.column(column)
        problems.append(f"{column}: {rule} in {describe_rows(rows, place, values)}")
    return problems


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


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
