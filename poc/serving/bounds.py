"""Whether stored values are such as their features can have. A request's own are held to it when read."""

import struct
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from poc.dataset.limits import read_limits
from poc.definitions import Feature, ServedFeatures
from poc.retrieval.source import Value


class Outside(NamedTuple):
    """A value that is not allowed: of which feature, and what is."""

    feature: str
    value: Value
    allowed: str


class Bounds:
    """What the tags of the served features allow."""

    def __init__(self, served: ServedFeatures) -> None:
        self._numbers: list[tuple[str, float, float]] = []
        self._texts: list[tuple[str, frozenset[str]]] = []
        for feature in served.features:
            limits = read_limits(feature)
            if limits.values is not None:
                self._texts.append((feature.name, frozenset(limits.values)))
            elif limits.minimum is not None or limits.maximum is not None:
                least, most = _as_stored(feature, limits.minimum, limits.maximum)
                self._numbers.append((feature.name, least, most))

    def outside(self, values: Mapping[str, Value], but: Container[str]) -> Outside | None:
        """Return the first of `values` that is not allowed, but for the features `but`; None if all are.

        A null is allowed.
        """
        value: Any
        for name, least, most in self._numbers:
            value = values.get(name)
            if value is not None and not least <= value <= most and name not in but:
                return Outside(name, value, f"{least:g} to {most:g}")
        for name, allowed in self._texts:
            value = values.get(name)
            if value is not None and value not in allowed and name not in but:
                return Outside(name, value, ", ".join(sorted(allowed)))
        return None


def _as_stored(feature: Feature, least: float | None, most: float | None) -> tuple[float, float]:
    """Return bounds that also hold a value which a Float32 rounds away from one of them."""
    from feast.types import Float32

    bounds = (float("-inf") if least is None else least, float("inf") if most is None else most)
    if feature.dtype != Float32:
        return bounds
    rounded = struct.unpack("2f", struct.pack("2f", *bounds))
    return min(bounds[0], rounded[0]), max(bounds[1], rounded[1])
