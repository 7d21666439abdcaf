"""Parquet files of one source whose columns differ in type: the one type that each column is read with.

Pandas writes a column of integers that has a gap as floats, and other writers choose other widths: from one
file to the next a column's type may change though its meaning does not.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.dataset as ds

from poc.online_store.errors import ValueOutOfRange, WrongValueType

_UNITS = ("s", "ms", "us", "ns")
_MOST_DIGITS = 38
_DIGITS_OF_INT64 = 19


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both; None if text, say, stands beside numbers.

    Times take the finer unit; a naive time means UTC.
    """
    if one == other:
        return one
    one, other = (kind.value_type if pa.types.is_dictionary(kind) else kind for kind in (one, other))
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        zone = one.tz if one.tz == other.tz else "UTC"
        return pa.timestamp(max(one.unit, other.unit, key=_UNITS.index), zone)
    # Arrow would make bytes of text, and Feast then writes b'...' for it.
    if (_is_text(one) and _is_bytes(other)) or (_is_bytes(one) and _is_text(other)):
        return None
    try:
        schemas = [pa.schema([("", kind)]) for kind in (one, other)]
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    if pa.types.is_decimal128(kind) and (pa.types.is_integer(one) or pa.types.is_integer(other)):
        # Arrow counts a digit too few for the largest integers, and then casts none.
        digits = max(kind.precision, _DIGITS_OF_INT64 + kind.scale)
        return pa.decimal128(min(digits, _MOST_DIGITS), kind.scale)
    return kind


def with_common_types(dataset: ds.FileSystemDataset, columns: Collection[str] | None) -> ds.Dataset:
    """Return `dataset` with every column of any file, each in the type that holds what all files have there.

    Args:
        columns: what will be read of it; None for all. Any other column may differ as it likes.

    Raises:
        WrongValueType: files have types for one of the columns that nothing holds together.
    """
    kinds = {field.name: field.type for field in dataset.schema}
    fragments = list(dataset.get_fragments())
    files = dict.fromkeys(kinds, fragments[0].path)
    for fragment in fragments:
        for field in fragment.physical_schema:
            known = kinds.setdefault(field.name, field.type)
            kind = common_type(known, field.type)
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

    Raises:
        ValueOutOfRange: the value, with its column and file.
    """
    try:
        yield
    except pa.ArrowInvalid as error:
        misfit = _misfit(dataset, columns)
        if misfit is None:
            raise
        raise misfit from error


def _misfit(dataset: ds.Dataset, columns: Collection[str]) -> ValueOutOfRange | None:
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
                    return ValueOutOfRange(name, str(error), reason)
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )
