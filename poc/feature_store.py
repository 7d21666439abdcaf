"""The Feast feature store that the settings select: open it, apply the definitions to it."""

import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from poc.definitions import FeatureSet, feature_set, read_repo_yaml, repo_yaml
from poc.errors import FeaturesNotApplied, InvalidDefinitions
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


def open_feature_store(settings: Settings) -> "FeatureStore":
    """Open it; CASSANDRA_HOSTS and CASSANDRA_PORT go before what the yaml says. Connects to nothing.

    Raises:
        NotInProjectFolder: there is no feature_store.yaml.
        InvalidDefinitions: Feast refuses it.
    """
    from feast import FeatureStore
    from feast.repo_config import FeastConfigError

    path = repo_yaml(settings)
    read_repo_yaml(settings)  # Feast's answer to YAML that is none is a traceback.
    try:
        store = FeatureStore(repo_path=str(settings.feast_repo_path), fs_yaml_file=path)
    except FeastConfigError as error:
        raise InvalidDefinitions(path, str(error)) from error
    if settings.cassandra_hosts is not None:
        store.config.online_store.hosts = list(settings.cassandra_hosts)
    if settings.cassandra_port is not None:
        store.config.online_store.port = settings.cassandra_port
    return store


@dataclass(frozen=True, slots=True)
class AppliedDefinitions:
    """What the registry holds, by name, sorted."""

    entities: list[str]
    feature_views: list[str]
    feature_services: list[str]


def apply_definitions(settings: Settings) -> AppliedDefinitions:
    """Do what `feast -c feature_repo apply` does: write the registry, make the online store's tables.

    Raises:
        NotInProjectFolder: the feature repository is not there.
        InvalidDefinitions: Feast refuses the definitions.
    """
    from feast.errors import FeastObjectNotFoundException
    from feast.repo_operations import apply_total

    config = open_feature_store(settings).config
    folder, repo = Path.cwd(), settings.feast_repo_path.resolve()
    sys.path.insert(0, str(repo))  # Feast imports features.py by its name.
    try:
        # Feast prints its own account of the changes, and changes the working directory.
        with redirect_stdout(sys.stderr):
            apply_total(config, repo, skip_source_validation=False)
    except (ValueError, TypeError, FeastObjectNotFoundException) as error:
        raise InvalidDefinitions(settings.feast_repo_path / "features.py", str(error)) from error
    finally:
        os.chdir(folder)
        sys.path.remove(str(repo))
    store = open_feature_store(settings)
    return AppliedDefinitions(
        # Feast adds an entity of its own for views without one.
        sorted(item.name for item in store.list_entities() if item.name != "__dummy"),
        sorted(item.name for item in store.list_feature_views()),
        sorted(item.name for item in store.list_feature_services()),
    )


def applied_features(store: "FeatureStore", service: str) -> FeatureSet:
    """Read from the registry the feature set of the view behind `service`.

    Raises:
        FeaturesNotApplied: the registry does not know the service.
        InvalidDefinitions: it is not made of one view of one entity with a file source.
    """
    return _applied(store, service)[0]


def served_features(store: "FeatureStore", service: str) -> FeatureSet:
    """Read the same feature set, with those features only that the service is made of.

    Raises:
        FeaturesNotApplied, InvalidDefinitions: see `applied_features`.
    """
    view, served = _applied(store, service)
    return replace(view, features=tuple(item for item in view.features if item.name in served))


def _applied(store: "FeatureStore", service: str) -> tuple[FeatureSet, frozenset[str]]:
    from feast.errors import FeastObjectNotFoundException

    try:
        projection = store.get_feature_service(service).feature_view_projections[0]
        view = feature_set(store.get_feature_view(projection.name))
    except FeastObjectNotFoundException:
        raise FeaturesNotApplied(service) from None
    return view, frozenset(field.name for field in projection.features)
