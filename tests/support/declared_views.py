"""A feature service made of a few words, as the definitions would give it."""

from datetime import timedelta
from pathlib import Path

from feast.types import FeastType, Int64, String

from poc.definitions import Feature, FeatureSet, JoinKey, ServedFeatures, ServedView


def view(
    name: str,
    *features: str,
    ttl: timedelta | None = None,
    keys: tuple[str, ...] = ("id",),
    asked: tuple[str, ...] | None = None,
    key_type: FeastType = String,
) -> ServedView:
    """One view's part: `features` of integers, by the join keys `keys`, which a request calls `asked`."""
    declared = tuple(Feature(item, Int64, "", {}) for item in features)
    join_keys = tuple(JoinKey(key, key_type) for key in keys)
    whole = FeatureSet(name, join_keys, declared, ttl, Path("unused.parquet"), "timestamp", None)
    return ServedView(whole, declared, keys if asked is None else asked)


def served(*views: ServedView) -> ServedFeatures:
    """The service of those views."""
    return ServedFeatures("service", views)
