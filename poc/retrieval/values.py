"""Stored values as Python values of the declared types.

A value that was stored under an earlier declaration is converted where nothing is lost, and refused where
something would be: a number that is read as what it is not ends as a score.
"""

import math
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

from poc.definitions import Feature
from poc.errors import FeaturesOutdated
from poc.retrieval.source import Value

if TYPE_CHECKING:
    from feast.types import FeastType

# From what a store gave, not None, to the value; None for what is not a number.
Fitting: TypeAlias = Callable[[Any], Value]


def fitting(feature: Feature) -> Fitting:
    """Return the function that holds stored values of `feature` to its type.

    Lists come as lists, times as UTC-aware datetimes.

    Raises, when it is called:
        FeaturesOutdated: the value is of another type.
    """
    kind = python_type(feature.dtype)
    name, dtype = feature.name, feature.dtype

    def misfit(value: Any) -> FeaturesOutdated:
        return FeaturesOutdated(f"{name} is stored as {type(value).__name__} and declared as {dtype}")

    if kind is float:

        def real(value: Any) -> Value:
            if type(value) is not float:
                if type(value) is not int:
                    raise misfit(value)
                return float(value)
            return None if math.isnan(value) else value

        return real
    if kind is int:

        def whole(value: Any) -> Value:
            if type(value) is not int:
                if not (type(value) is float and value.is_integer()):
                    raise misfit(value)
                return int(value)
            return value

        return whole
    if kind is datetime:

        def moment(value: Any) -> Value:
            if not isinstance(value, datetime):
                raise misfit(value)
            return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value

        return moment

    def same(value: Any) -> Any:
        if type(value) is not kind:
            raise misfit(value)
        return value

    return same


def python_type(dtype: "FeastType") -> type:
    """Return the Python type that values of `dtype` have."""
    from feast.types import Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

    kinds = {
        Bool: bool,
        Bytes: bytes,
        Float32: float,
        Float64: float,
        Int32: int,
        Int64: int,
        String: str,
        UnixTimestamp: datetime,
    }
    return kinds.get(dtype, list)
