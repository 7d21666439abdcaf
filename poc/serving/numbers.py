"""The numbers that a request may name: of which type, within which bounds."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

if TYPE_CHECKING:
    from feast.types import FeastType

LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


def ranges() -> "dict[FeastType, tuple[Any, float, float]]":
    """Return what each type of number can hold, which is a bound as well: JSON's numbers know none."""
    from feast.types import Float32, Float64, Int32, Int64

    return {
        Int32: (int, -(2**31), 2**31 - 1),
        Int64: (int, -(2**63), 2**63 - 1),
        Float32: (float, -LARGEST_FLOAT32, LARGEST_FLOAT32),
        Float64: (float, -sys.float_info.max, sys.float_info.max),
    }


def number(kind: type, least: float, most: float) -> Any:
    """Return the type of numbers within bounds. 5.0 is a whole number in JSON, and pandas writes it so."""
    within = Field(ge=least, le=most)
    # Bounds first: what comes after a validator is not in the schema.
    return Annotated[kind, within, BeforeValidator(_whole)] if kind is int else Annotated[kind, within]


def _whole(value: Any) -> Any:
    # Beyond 2**53 a float may stand for another number than was written.
    is_whole = type(value) is float and value.is_integer() and abs(value) <= 2**53
    return int(value) if is_whole else value
