"""Arrow columns of a feature view, converted a column at a time to what a store keeps.

A column whose Arrow type fits its declared Feast type is converted here; the values of any other pair go
through Feast's own conversion. What a value becomes depends on nothing but itself: not on a null beside it,
nor on the batch that holds it. A number is never cut to fit: it is refused.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.type_map import python_values_to_proto_values

from poc.online_store.errors import ValueOutOfRange, WrongValueType
from poc.online_store.types import (
    COLUMN_TYPES,
    MAX_SECONDS,
    MIN_SECONDS,
    NULL,
    NULL_SECONDS,
    ColumnType,
    Value,
)

Times: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.datetime64]]"
# Of each scalar type the Arrow type that it becomes, and the checks of those that fit it.
_SCALARS: dict[str, tuple[pa.DataType, tuple[Callable[[pa.DataType], bool], ...]]] = {
    "bytes_val": (pa.binary(), (pa.types.is_binary, pa.types.is_large_binary)),
    "string_val": (pa.string(), (pa.types.is_string, pa.types.is_large_string)),
    "int32_val": (pa.int32(), (pa.types.is_integer,)),
    "int64_val": (pa.int64(), (pa.types.is_integer,)),
    "double_val": (pa.float64(), (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)),
    "float_val": (pa.float32(), (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)),
    "bool_val": (pa.bool_(), (pa.types.is_boolean, pa.types.is_integer)),
    "unix_timestamp_val": (pa.int64(), (pa.types.is_timestamp, pa.types.is_integer)),
}
_WHOLE = ("int32_val", "int64_val", "unix_timestamp_val")
_VALUE_TYPES = {kind.name: value_type for value_type, kind in COLUMN_TYPES.items()}


def canonical(array: pa.Array, kind: ColumnType, field: str) -> pa.Array | None:
    """Return `array` in the one Arrow type of its Feast type, times as whole seconds; None if it has no such.

    A NaN in a scalar column becomes null, as pandas and so Feast has it; in a list it stays.

    Raises ValueOutOfRange, WrongValueType: a number too large, or with a fraction, for the declared type.
    """
    if kind.items is None:
        scalars = _without_nan(_decoded(array))
        if kind.attribute in _WHOLE:
            scalars = _whole(scalars, kind, field)
        return _canonical_scalars(scalars, kind.attribute, field)
    if not isinstance(array, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)):
        return None
    if array.offset:
        array = array.take(pa.array(np.arange(len(array))))
    if pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    values = _decoded(array.values)
    if values.null_count and not pa.types.is_timestamp(values.type):
        return None
    items = _canonical_scalars(values, kind.attribute.replace("_list_val", "_val"), field)
    if items is None:
        return None
    missing = array.is_null() if array.null_count else None
    return type(array).from_arrays(array.offsets, items, mask=missing)


def python_values(array: pa.Array, kind: ColumnType, field: str) -> list[Any]:
    """Return the column as the drivers bind it: None, numbers, text, bytes, naive UTC datetimes, lists.

    Raises:
        ValueOutOfRange: a time outside the years 1 to 9999, a number too large.
        WrongValueType: Feast refuses the values, or would cut them.
    """
    plain = canonical(array, kind, field)
    if plain is None:
        return [kind.bindable(field, value) for value in feast_values(array, kind, field)]
    if not kind.timestamp:
        return list(plain.to_pylist())
    if kind.items is None:
        return _moments(plain, field)
    moments = iter(_moments(plain.flatten(), field, none_allowed=False))
    lengths = pc.list_value_length(plain).to_pylist()
    return [None if length is None else [next(moments) for _ in range(length)] for length in lengths]


def feast_values(array: pa.Array, kind: ColumnType, field: str) -> list[Value]:
    """Convert by Feast's own function, from the same numpy values that its local engine would see.

    Only what is there is shown to it: beside a null pandas, and so Feast, has integers as floats.

    Raises WrongValueType: Feast refuses the values, or would take a list's one number for it.
    """
    array = _without_nan(_decoded(array))
    if kind.attribute in _WHOLE and pa.types.is_nested(array.type):
        raise WrongValueType(field, kind.name, f"{array.type}")
    there = pa.Array.from_pandas(array.drop_null().to_pandas()).to_numpy(zero_copy_only=False)
    # Of several lists Feast looks at the first only.
    parts = [there] if kind.items is None else [there[place : place + 1] for place in range(len(there))]
    declared = _VALUE_TYPES[kind.name]
    try:
        values = iter([value for part in parts for value in python_values_to_proto_values(part, declared)])
    except (TypeError, ValueError, AssertionError) as error:
        raise WrongValueType(field, kind.name, f"{array.type} ({error})") from error
    null = Value(unix_timestamp_val=NULL_SECONDS) if kind.attribute == "unix_timestamp_val" else NULL
    return [next(values) if valid else null for valid in array.is_valid().to_pylist()]


def require_fit(array: pa.Array, kind: ColumnType, field: str) -> None:
    """Raise WrongValueType or ValueOutOfRange where materializing the column would."""
    if canonical(array, kind, field) is None:
        feast_values(array, kind, field)


def event_times(array: pa.Array) -> Times:
    """Return times as numpy microseconds, UTC; a missing one is NaT."""
    if pa.types.is_integer(array.type):
        # As pandas reads them; beside a null it would round them first.
        array = array.cast(pa.int64()).cast(pa.timestamp("ns"))
    times = array.to_numpy(zero_copy_only=False)
    if not pa.types.is_timestamp(array.type):
        times = pd.to_datetime(pd.Series(times), utc=True).dt.tz_localize(None).to_numpy()
    moments: Times = times.astype("datetime64[us]")
    return moments


def milliseconds(times: Times) -> list[datetime | None]:
    """Return times as naive UTC datetimes, rounded down to what a timestamp column keeps; None for NaT."""
    return list(times.astype("datetime64[ms]").astype("datetime64[us]").tolist())


def _canonical_scalars(array: pa.Array, attribute: str, field: str) -> pa.Array | None:
    kind, fitting = _SCALARS[attribute]
    if not any(fits(array.type) for fits in fitting):
        return None
    if pa.types.is_timestamp(array.type):
        # Rounded down; a null becomes Feast's number for it, which every reader takes for one.
        return pa.array(array.to_numpy(zero_copy_only=False).astype("datetime64[s]").astype(np.int64))
    if pa.types.is_decimal(array.type):
        # Arrow's own cast is a digit off for one decimal in a hundred.
        array = array.cast(pa.string()).cast(pa.float64())
    # An integer too large to be exact as a float is rounded, as Python does.
    plain = _cast(array, kind, field, safe=not pa.types.is_floating(kind))
    return plain.fill_null(NULL_SECONDS) if attribute == "unix_timestamp_val" else plain


def _cast(array: pa.Array, kind: pa.DataType, field: str, safe: bool = True) -> pa.Array:
    try:
        return array.cast(kind, safe=safe)
    except pa.ArrowInvalid as error:
        raise ValueOutOfRange(field, str(error), "does not fit the declared type") from error


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _without_nan(array: pa.Array) -> pa.Array:
    if not pa.types.is_floating(array.type):
        return array
    # By numpy, since Arrow computes nothing of half floats.
    return pa.array(array.to_numpy(zero_copy_only=False), from_pandas=True)


def _whole(array: pa.Array, kind: ColumnType, field: str) -> pa.Array:
    """Return numbers that may have a fraction, and have none, as integers."""
    # The one width of each that Arrow compares and rounds.
    if pa.types.is_decimal(array.type):
        numbers = array.cast(pa.decimal256(76, array.type.scale))
    elif pa.types.is_floating(array.type):
        numbers = array.cast(pa.float64())
    else:
        return array
    fractional = numbers.filter(pc.not_equal(pc.floor(numbers), numbers))
    if len(fractional):
        raise WrongValueType(field, kind.name, f"{fractional[0].as_py()}, and not a whole number")
    return _cast(numbers, pa.int64(), field)


def _moments(seconds: pa.Array, field: str, none_allowed: bool = True) -> list[datetime | None]:
    numbers = seconds.to_numpy(zero_copy_only=False)
    outside = (numbers < MIN_SECONDS) | (numbers > MAX_SECONDS)
    if none_allowed:
        outside &= numbers != NULL_SECONDS
    if outside.any():
        reason = "seconds since 1970 are outside the years 1 to 9999"
        raise ValueOutOfRange(field, int(numbers[outside][0]), reason)
    return list(numbers.astype("datetime64[s]").tolist())
