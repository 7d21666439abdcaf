"""Arrow columns of a feature view, converted a column at a time to what a store keeps.

A column whose Arrow type fits its declared Feast type is converted here; any other pair goes through
Feast's own conversion, value by value, so that the outcome is Feast's in every case.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.type_map import python_values_to_proto_values

from poc.online_store.errors import ValueOutOfRange, WrongValueType
from poc.online_store.types import COLUMN_TYPES, MAX_SECONDS, MIN_SECONDS, NULL_SECONDS, ColumnType, Value

Times: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.datetime64]]"
_ARROW_TYPES = {
    "bytes_val": pa.binary(),
    "string_val": pa.string(),
    "int32_val": pa.int32(),
    "int64_val": pa.int64(),
    "double_val": pa.float64(),
    "float_val": pa.float32(),
    "bool_val": pa.bool_(),
}
_FITTING: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "bytes_val": (pa.types.is_binary, pa.types.is_large_binary),
    "string_val": (pa.types.is_string, pa.types.is_large_string),
    "int32_val": (pa.types.is_integer,),
    "int64_val": (pa.types.is_integer,),
    "double_val": (pa.types.is_integer, pa.types.is_floating),
    "float_val": (pa.types.is_integer, pa.types.is_floating),
    "bool_val": (pa.types.is_boolean,),
}
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_VALUE_TYPES = {kind.name: value_type for value_type, kind in COLUMN_TYPES.items()}


def canonical(array: pa.Array, kind: ColumnType, field: str) -> pa.Array | None:
    """Return `array` in the one Arrow type of its Feast type, times as whole seconds; None if it has no such.

    A NaN in a scalar column becomes null, as pandas and so Feast has it; in a list it stays.

    Raises:
        ValueOutOfRange: an integer too large for the declared type.
    """
    if kind.items is None:
        return _canonical_scalars(array, kind.attribute, field)
    if not any(is_list(array.type) for is_list in _LISTS):
        return None
    if array.offset:
        array = array.take(pa.array(np.arange(len(array))))
    if array.values.null_count and not kind.timestamp:
        return None
    item_attribute = kind.attribute.replace("_list_val", "_val")
    if pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    items = _canonical_scalars(array.values, item_attribute, field, keep_nan=True)
    if items is None:
        return None
    rebuilt = pa.LargeListArray if pa.types.is_large_list(array.type) else pa.ListArray
    missing = array.is_null() if array.null_count else None
    return rebuilt.from_arrays(array.offsets, items, mask=missing)


def python_values(array: pa.Array, kind: ColumnType, field: str) -> list[Any]:
    """Return the column as the drivers bind it: None, numbers, text, bytes, naive UTC datetimes, lists.

    Raises:
        ValueOutOfRange: a time outside the years 1 to 9999, an integer too large.
        WrongValueType: Feast refuses the values.
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
    """Convert by Feast's own function, from the same numpy array that its local engine would see.

    Raises:
        WrongValueType: Feast refuses the values.
    """
    values = pa.Array.from_pandas(array.to_pandas()).to_numpy(zero_copy_only=False)
    try:
        return list(python_values_to_proto_values(values, _VALUE_TYPES[kind.name]))
    except (TypeError, ValueError, AssertionError) as error:
        raise WrongValueType(field, kind.name, f"{array.type} ({error})") from error


def event_times(array: pa.Array) -> Times:
    """Return times as numpy microseconds, UTC; a missing one is NaT."""
    if pa.types.is_timestamp(array.type):
        moments: Times = array.to_numpy(zero_copy_only=False).astype("datetime64[us]")
        return moments
    import pandas as pd

    times = pd.to_datetime(pd.Series(array.to_numpy(zero_copy_only=False)), utc=True)
    parsed: Times = times.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return parsed


def milliseconds(times: Times) -> list[datetime | None]:
    """Return times as naive UTC datetimes, rounded down to what a timestamp column keeps; None for NaT."""
    rounded: list[datetime | None] = times.astype("datetime64[ms]").astype("datetime64[us]").tolist()
    return rounded


def _canonical_scalars(
    array: pa.Array, attribute: str, field: str, keep_nan: bool = False
) -> pa.Array | None:
    kind = array.type
    if attribute == "unix_timestamp_val":
        return _seconds(array) if pa.types.is_timestamp(kind) else None
    if not _fits(kind, attribute):
        return None
    floating = attribute in ("double_val", "float_val")
    try:
        # An integer too large to be exact as a float is rounded, as Python does.
        plain = array.cast(_ARROW_TYPES[attribute], safe=not floating)
    except pa.ArrowInvalid as error:
        raise ValueOutOfRange(field, str(error), "does not fit the declared type") from error
    if floating and not keep_nan:
        return pc.if_else(pc.is_nan(plain), None, plain)
    return plain


def _fits(kind: pa.DataType, attribute: str) -> bool:
    if pa.types.is_dictionary(kind):
        return attribute == "string_val" and bool(pa.types.is_string(kind.value_type))
    return any(check(kind) for check in _FITTING[attribute])


def _seconds(array: pa.Array) -> pa.Array:
    """Round times down to seconds; a null becomes Feast's number for it, which every reader takes for one."""
    return pa.array(array.to_numpy(zero_copy_only=False).astype("datetime64[s]").astype(np.int64))


def _moments(seconds: pa.Array, field: str, none_allowed: bool = True) -> list[datetime | None]:
    numbers = seconds.to_numpy(zero_copy_only=False)
    outside = (numbers < MIN_SECONDS) | (numbers > MAX_SECONDS)
    if none_allowed:
        outside &= numbers != NULL_SECONDS
    if outside.any():
        reason = "seconds since 1970 are outside the years 1 to 9999"
        raise ValueOutOfRange(field, int(numbers[outside][0]), reason)
    moments: list[datetime | None] = numbers.astype("datetime64[s]").tolist()
    return moments
