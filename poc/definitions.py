"""What `feature_repo/features.py` declares, as plain values for every room.

Knows how to find and run the file and how to read Feast's own objects. It connects to nothing and
reads no registry, so it works before anything was applied.
"""

import os
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from poc.errors import InvalidDefinitions, NotInProjectFolder
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureView
    from feast.types import FeastType


@dataclass(frozen=True, slots=True)
class Feature:
    """One declared feature.

    Attributes:
        name: its column in the Parquet and in every store.
        dtype: Feast's type.
        description: what it means.
        tags: `min`, `max`, `values` bound it; see features.py.
    """

    name: str
    dtype: "FeastType"
    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """One feature view: the features of one entity, and where they come from.

    Attributes:
        view: name of the feature view.
        join_key: name of the column that identifies the entity; its values are strings.
        features: the declared features, in declared order, without the join key.
        ttl: age from which a value is stale; None if it never is.
        source_path: the Parquet, relative to the working directory.
        timestamp_column: event time, UTC.
        created_timestamp_column: when the row was written, UTC; None where not declared.
    """

    view: str
    join_key: str
    features: tuple[Feature, ...]
    ttl: timedelta | None
    source_path: Path
    timestamp_column: str
    created_timestamp_column: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names in declared order."""
        return tuple(feature.name for feature in self.features)


def repo_yaml(settings: Settings) -> Path:
    """Name the feature_store.yaml that `settings` select.

    Raises:
        NotInProjectFolder: it is not there.
    """
    path = settings.feast_fs_yaml_file_path
    if path is None:
        path = settings.feast_repo_path / "feature_store.yaml"
    if not path.is_file():
        raise NotInProjectFolder(path)
    return path


def read_repo_yaml(settings: Settings) -> dict[str, Any]:
    """Read the selected feature_store.yaml as Feast does, `${VARIABLE}`s replaced.

    Raises:
        NotInProjectFolder: it is not there.
        InvalidDefinitions: it is not YAML, or not a mapping.
    """
    path = repo_yaml(settings)
    try:
        content = yaml.safe_load(os.path.expandvars(path.read_text()))
    except yaml.YAMLError as error:
        raise InvalidDefinitions(path, str(error)) from None
    if not isinstance(content, dict):
        raise InvalidDefinitions(path, "is not a mapping of settings")
    return content


def read_definitions(settings: Settings) -> FeatureSet:
    """Run features.py and read the view behind the feature service of `settings`.

    Raises:
        NotInProjectFolder: there is no features.py.
        InvalidDefinitions: it does not run, or does not declare that service over exactly one view
            of one string entity.
    """
    view, _ = _declared(settings)
    return view


def read_served_definitions(settings: Settings) -> FeatureSet:
    """Read the same view, with those of its features only that the service is made of: what is served.

    Raises:
        NotInProjectFolder, InvalidDefinitions: see `read_definitions`.
    """
    view, served = _declared(settings)
    return replace(view, features=tuple(item for item in view.features if item.name in served))


def _declared(settings: Settings) -> tuple[FeatureSet, frozenset[str]]:
    """Give the view behind the service, and the names of the features that the service takes."""
    from feast import FeatureService, FeatureView

    path = settings.feast_repo_path / "features.py"
    if not path.is_file():
        raise NotInProjectFolder(path)
    try:
        declared = runpy.run_path(str(path)).values()
    except Exception as error:  # The file is a person's code: whatever it raises is the message.
        raise InvalidDefinitions(path, f"{type(error).__name__}: {error}") from error
    services = [item for item in declared if isinstance(item, FeatureService)]
    service = next((item for item in services if item.name == settings.feature_service), None)
    if service is None:
        known = ", ".join(sorted(item.name for item in services))
        raise InvalidDefinitions(
            path, f"declares no feature service {settings.feature_service!r} (it has: {known})"
        )
    if len(service.feature_view_projections) != 1:
        raise InvalidDefinitions(path, f"{service.name} must be made of exactly one feature view")
    projection = service.feature_view_projections[0]
    views = [item for item in declared if isinstance(item, FeatureView) and item.name == projection.name]
    return feature_set(views[0]), frozenset(field.name for field in projection.features)


def feature_set(view: "FeatureView") -> FeatureSet:
    """Read a Feast feature view, as declared or as the registry holds it.

    Raises:
        InvalidDefinitions: it has not exactly one join key, or no source file.
    """
    join_keys = list(view.join_keys)
    path = getattr(view.batch_source, "path", None)
    if len(join_keys) != 1 or path is None:
        raise InvalidDefinitions(
            Path("features.py"), f"view {view.name} must have one join key and a file source"
        )
    return FeatureSet(
        view=view.name,
        join_key=join_keys[0],
        features=tuple(
            Feature(field.name, field.dtype, field.description, dict(field.tags)) for field in view.features
        ),
        ttl=view.ttl if view.ttl else None,
        source_path=Path(path),
        timestamp_column=view.batch_source.timestamp_field,
        created_timestamp_column=view.batch_source.created_timestamp_column or None,
    )
