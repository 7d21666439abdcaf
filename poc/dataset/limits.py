"""What a valid value of a feature is, and how far its values may drift: its tags, read."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isfinite

import pyarrow as pa

from poc.dataset.column_types import arrow_type
from poc.definitions import DECLARED_IN, Feature
from poc.errors import InvalidDefinitions


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one feature's values; None where there is none."""

    minimum: float | int | None = None
    maximum: float | int | None = None
    values: tuple[str, ...] | None = None

    @property
    def binary(self) -> bool:
        """Whether only 0 and 1 are allowed, so that true and false can stand for them."""
        return self.minimum == 0 and self.maximum == 1


def read_limits(feature: Feature) -> Limits:
    """Read the tags of `feature`.

    Raises InvalidDefinitions: a tag is no number, bounds what has no order, or leaves no value allowed.
    """
    minimum = _bound(feature, "min")
    maximum = _bound(feature, "max")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise _invalid(feature, f"min={feature.tags['min']} and max={feature.tags['max']} allow nothing")
    return Limits(minimum, maximum, _values(feature))


def read_max_psi(feature: Feature) -> float | None:
    """Read the tag `max_psi`: the greatest drift of the feature's values; None where there is no limit.

    Raises InvalidDefinitions: it is no number above zero.
    """
    text = feature.tags.get("max_psi")
    if text is None:
        return None
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not (isfinite(limit) and limit > 0):
        raise _invalid(feature, f"max_psi={text!r} is no number above zero")
    return limit


def _bound(feature: Feature, tag: str) -> float | int | None:
    text = feature.tags.get(tag)
    if text is None:
        return None
    kind = arrow_type(feature)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise _invalid(feature, f"{tag}={text!r} bounds a {feature.dtype}, which is no number")
    try:
        exact = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise _invalid(feature, f"{tag}={text!r} is no number") from None
    if pa.types.is_floating(kind):
        return float(exact)
    return ceil(exact) if tag == "min" else floor(exact)


def _values(feature: Feature) -> tuple[str, ...] | None:
    text = feature.tags.get("values")
    if text is None:
        return None
    if not pa.types.is_string(arrow_type(feature)):
        raise _invalid(feature, f"values={text!r} lists strings for a {feature.dtype}")
    values = tuple(value.strip() for value in text.split(",") if value.strip())
    if not values:
        raise _invalid(feature, f"values={text!r} allow nothing")
    return values


def _invalid(feature: Feature, reason: str) -> InvalidDefinitions:
    return InvalidDefinitions(DECLARED_IN, f"feature {feature.name}: tag {reason}")
