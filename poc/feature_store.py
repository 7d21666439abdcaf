"""The Feast feature store that the settings select: open it, apply the definitions to it."""

import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from poc.definitions import FeatureSet, feature_set, read_repo_yaml, repo_yaml
from poc.errors import FeaturesNotApplied, InvalidDefinitions, OnlineStoreUnusable, StorePackageMissing
from poc.online_store.credentials import Credentials, given_credentials
from poc.online_store.errors import OnlineStoreError
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


def open_feature_store(settings: Settings) -> "FeatureStore":
    """Open it; CASSANDRA_HOSTS and CASSANDRA_PORT go before what the yaml says. Connects to nothing.

    User and password come from the environment where the yaml has none.

    Raises:
        NotInProjectFolder: there is no feature_store.yaml.
        InvalidDefinitions: Feast refuses it.
        StorePackageMissing: a store that it names needs a package that is not installed.
        OnlineStoreUnusable: the environment has a user without a password, or the other way round.
    """
    from feast import FeatureStore
    from feast.errors import FeastModuleImportError
    from feast.repo_config import FeastConfigError

    path = repo_yaml(settings)
    read_repo_yaml(settings)  # Feast's answer to YAML that is none is a traceback.
    try:
        # As a whole path: Feast changes the working directory while it applies.
        store = FeatureStore(repo_path=str(settings.feast_repo_path.resolve()), fs_yaml_file=path)
    except FeastConfigError as error:
        raise InvalidDefinitions(path, str(error)) from error
    except FeastModuleImportError as error:
        raise StorePackageMissing(path, str(error.__cause__ or error)) from error
    if settings.cassandra_hosts is not None:
        store.config.online_store.hosts = list(settings.cassandra_hosts)
    if settings.cassandra_port is not None:
        store.config.online_store.port = settings.cassandra_port
    _log_in(settings, store)
    return store


def _log_in(settings: Settings, store: "FeatureStore") -> None:
    """Give the online store the environment's user and password where the yaml names none."""
    online_store = store.config.online_store
    if getattr(online_store, "username", "") is not None:
        return  # The yaml names one, or the store knows no users.
    login = configured_login(settings)
    if login is not None:
        online_store.username, online_store.password = login.username, login.password


def configured_login(settings: Settings) -> Credentials | None:
    """Give the user and password of the environment; None where it names none.

    Raises:
        OnlineStoreUnusable: it has a user without a password, or the other way round.
    """
    secret = settings.cassandra_password
    password = None if secret is None else secret.get_secret_value()
    try:
        return given_credentials(settings.cassandra_username, password, settings.cassandra_password_file)
    except OnlineStoreError as error:
        raise OnlineStoreUnusable(error.what, error.way_out) from error


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
        # It stays imported otherwise, also for an apply of another folder's.
        sys.modules.pop("features", None)
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
