from collections.abc import Callable
from pathlib import Path

import pytest
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import FeastType

ViewOf = Callable[..., FeatureView]


@pytest.fixture
def view_of(tmp_path: Path) -> ViewOf:
    """Make a feature view of given features and join keys, as the registry would hand it out."""

    def make(
        features: dict[str, FeastType],
        keys: dict[str, FeastType],
        name: str = "stats",
        path: str = "x.parquet",
    ) -> FeatureView:
        entities = [
            Entity(name=f"{key}_entity", join_keys=[key], value_type=ValueType[dtype.to_value_type().name])
            for key, dtype in keys.items()
        ]
        schema = [Field(name=field, dtype=dtype) for field, dtype in (keys | features).items()]
        source = FileSource(path=str(tmp_path / path), timestamp_field="event_timestamp")
        return FeatureView(name=name, entities=entities, schema=schema, source=source)

    return make
