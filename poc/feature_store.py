"""The Feast feature store that the settings select: open it, read what is declared, apply that."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poc.definitions import DECLARED_IN, ServedFeatures, served_features
from poc.errors import InvalidDefinitions, NotInProjectFolder, StorePackageMissing
from poc.online_store.connection import (
    ConnectionSettings,
    Driver,
    connection_settings,
    given_credentials,
)
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import Entity, FeatureStore, FeatureView, RepoConfig
    from feast.repo_contents import RepoContents


def repo_yaml(settings: Settings) -> Path:
    """Name the feature_store.yaml that `settings` select; NotInProjectFolder where it is not there."""
    path = settings.feast_fs_yaml_file_path or settings.feast_repo_path / "feature_store.yaml"
    if not path.is_file():
        raise NotInProjectFolder(path)
    return path


def open_feature_store(settings: Settings) -> "FeatureStore":
    """Open it, as `load_config` has it, and raises. Connects to nothing."""
    from feast import FeatureStore

    config = load_config(settings)
    with _configuration_errors(repo_yaml(settings)):
        return FeatureStore(repo_path=str(config.repo_path), config=config)


def load_config(settings: Settings) -> "RepoConfig":
    """Load feature_store.yaml; CASSANDRA_HOSTS and CASSANDRA_PORT go before what it says of the online store.

    User and password come from the environment where the yaml has none.

    Raises:
        NotInProjectFolder: there is no feature_store.yaml.
        InvalidDefinitions: Feast refuses it.
        StorePackageMissing: a store that it names needs a package that is not installed.
        CredentialsUnusable: the environment has a user without a password, or the other way round.
    """
    from feast.repo_config import load_repo_config

    path = repo_yaml(settings)
    with _configuration_errors(path):
        # As a whole path: Feast changes the working directory while it applies.
        config = load_repo_config(settings.feast_repo_path.resolve(), path)
        online_store = config.online_store
    if settings.cassandra_hosts is not None and hasattr(online_store, "hosts"):
        online_store.hosts = list(settings.cassandra_hosts)
        online_store.secure_bundle_path = None
    if settings.cassandra_port is not None and hasattr(online_store, "port"):
        online_store.port = settings.cassandra_port
    secret = settings.cassandra_password
    password = None if secret is None else secret.get_secret_value()
    login = given_credentials(settings.cassandra_username, password, settings.cassandra_password_file)
    if login is not None and getattr(online_store, "username", "") is None:
        online_store.username, online_store.password = login.username, login.password
    return config


@contextmanager
def _configuration_errors(path: Path) -> Iterator[None]:
    from feast.errors import FeastModuleImportError
    from feast.repo_config import FeastConfigError

    try:
        yield
    except FeastConfigError as error:
        raise InvalidDefinitions(path, config_problem(error)) from error
    except FeastModuleImportError as error:
        raise StorePackageMissing(path, str(error.__cause__ or error)) from error
    except KeyError as error:
        if error.args != ("type",):
            raise
        reason = "online_store and offline_store need a type each: only Feast's own providers have defaults"
        raise InvalidDefinitions(path, reason) from error
    except Exception as error:
        # What is no YAML, or no mapping, Feast lets through to its own code.
        known = isinstance(error, (ValueError, TypeError))
        if known or type(error).__module__.startswith(("yaml", "feast.errors")):
            raise InvalidDefinitions(path, str(error)) from error
        raise


def read_for_serving(store: "FeatureStore", timeout_seconds: float, driver: Driver) -> None:
    """Let the online store of `store` wait no longer than a request may, and read with `driver`."""
    block = store.config.online_store
    if hasattr(block, "request_timeout"):
        stated = block.request_timeout
        block.request_timeout = timeout_seconds if stated is None else min(float(stated), timeout_seconds)
    online_store = store._get_provider().online_store
    if hasattr(online_store, "driver"):
        online_store.driver = driver


def close_feature_store(store: "FeatureStore") -> None:
    """End the sessions of the online store, where there are any; Feast has no call for it."""
    online_store = store._get_provider().online_store
    if hasattr(online_store, "close"):
        online_store.close()
    elif (session := getattr(online_store, "_session", None)) is not None:
        session.cluster.shutdown()


def config_problem(error: Exception) -> str:
    """Word in one line what Feast finds wrong in a feature_store.yaml: which keys, and what is wrong."""
    from pydantic import ValidationError

    found = error.args[0] if error.args else error
    if not isinstance(found, ValidationError):
        return str(error)
    return "; ".join(_key_problem(item["loc"], item["msg"], item["input"]) for item in found.errors())


def _key_problem(place: tuple[int | str, ...], message: str, stated: object) -> str:
    # Feast names a key without its block; this one only a Cassandra's has.
    name = ".".join(("online_store", "hosts") if place == ("hosts",) else map(str, place)) or "the file"
    text = f"{name}: {message.removeprefix('Value error, ')}"
    if isinstance(stated, (dict, list)) or "password" in place:
        return text
    correction = f"; write [{stated}]" if message == "Input should be a valid list" else ""
    return f"{text} (it says {stated!r}{correction})"


def cassandra_connection(settings: Settings) -> ConnectionSettings:
    """Return the way into the Cassandra of the online store. Imports Feast, which takes seconds.

    Raises NoCassandra where the online store is kept elsewhere, and what `load_config` raises.
    """
    return connection_settings(load_config(settings))


def connection_of(store: "FeatureStore") -> ConnectionSettings:
    """Return the way into the Cassandra of `store`; raises NoCassandra where it is kept elsewhere."""
    return connection_settings(store.config)


def kept_for(store: "FeatureStore") -> timedelta | None:
    """Return the age from which the online store itself removes a row; None if it never does."""
    seconds = getattr(store.config.online_store, "ttl_seconds", None)
    return None if seconds is None else timedelta(seconds=seconds)


def declared_service(settings: Settings) -> ServedFeatures:
    """Read the feature service of `settings` from the repository's Python files, as Feast loads them.

    What they leave to inference is inferred as `feast apply` does, from the source files that are there.

    Raises:
        NotInProjectFolder: the repository is not there.
        InvalidDefinitions: its files do not run, do not declare the service, or this project cannot serve it.
    """
    found = load_repository(settings, load_config(settings))
    service = next((item for item in found.feature_services if item.name == settings.feature_service), None)
    if service is None:
        known = ", ".join(sorted(item.name for item in found.feature_services)) or "none"
        reason = f"declares no feature service {settings.feature_service!r} (it has: {known})"
        raise InvalidDefinitions(settings.feast_repo_path, reason)
    views: dict[str, Any] = {item.name: item for item in (*found.feature_views, *found.stream_feature_views)}
    views |= {item.name: None for item in found.on_demand_feature_views}
    entities = {item.name: item.join_key for item in found.entities if item.name != "__dummy"}
    return served_features(service, views, entities)


def load_repository(settings: Settings, config: "RepoConfig") -> "RepoContents":
    """Run the repository's Python files by Feast's own loader, and infer what they leave out.

    Raises NotInProjectFolder, or InvalidDefinitions where they do not run or cannot be inferred.
    """
    from feast.repo_operations import parse_repo

    repo = settings.feast_repo_path
    if not repo.is_dir():
        raise NotInProjectFolder(repo)
    with _inside(repo):
        try:
            found = parse_repo(Path.cwd())
        except Exception as error:  # The files are a person's code: whatever they raise is the message.
            raise InvalidDefinitions(repo, f"{type(error).__name__}: {error}") from error
    _infer(config, found)
    return found


def _infer(config: "RepoConfig", found: "RepoContents") -> None:
    """Complete what was declared, as Feast does when it applies; without its sources, as far as that goes."""
    from feast import FeatureStore
    from feast.errors import RegistryInferenceFailure

    # One that is made in the ordinary way writes an empty registry where there is none.
    store = object.__new__(FeatureStore)
    store.config, store._list_entities = config, list
    there = [view for view in found.feature_views if _source_is_there(view)]
    entities = {entity.name: entity for entity in found.entities}
    for view in found.feature_views:
        if not _source_is_there(view):
            _give_keys(view, [entities[name] for name in view.entities if name in entities])
    try:
        on_demand, streams = found.on_demand_feature_views, found.stream_feature_views
        sources = [view.batch_source for view in there]
        store._make_inferences(sources, found.entities, there, on_demand, streams, [])
        views = {view.name: view for view in (*found.feature_views, *streams)}
        for service in found.feature_services:
            service.infer_features(fvs_to_update=views)
    except (RegistryInferenceFailure, ValueError, AssertionError, KeyError) as error:
        raise InvalidDefinitions(DECLARED_IN, f"{type(error).__name__}: {error}") from error


def _source_is_there(view: Any) -> bool:
    path = getattr(view.batch_source, "path", None)
    return path is None or "://" in path or Path(path).exists()


def _give_keys(view: "FeatureView", entities: "Sequence[Entity]") -> None:
    """Declare the join keys that the schema of `view` does not repeat, of their entities' types.

    One of undeclared type is taken for text: so are the ids of generated data, which may still come.
    """
    from feast import Field
    from feast.types import String, from_value_type
    from feast.value_type import ValueType

    declared = {column.name for column in view.entity_columns}
    for entity in entities:
        if entity.join_key not in declared:
            known = entity.value_type != ValueType.UNKNOWN
            dtype = from_value_type(entity.value_type) if known else String
            view.entity_columns.append(Field(name=entity.join_key, dtype=dtype))


@contextmanager
def _inside(repo: Path) -> Iterator[None]:
    """Work in the repository as Feast's command does, and forget its modules afterwards.

    They stay imported otherwise, also for the next repository that has modules of the same names.
    """
    folder, known, root = Path.cwd(), set(sys.modules), str(repo.resolve())
    os.chdir(repo)
    sys.path.insert(0, root)
    try:
        yield
    finally:
        os.chdir(folder)
        sys.path.remove(root)
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(root):
                del sys.modules[name]


@dataclass(frozen=True, slots=True)
class AppliedDefinitions:
    """What the registry holds, by name, sorted."""

    entities: list[str]
    feature_views: list[str]
    feature_services: list[str]


def apply_definitions(settings: Settings) -> AppliedDefinitions:
    """Do what `feast -c feature_repo apply` does: write the registry, make the online store's tables.

    Raises NotInProjectFolder, or InvalidDefinitions where Feast refuses the definitions.
    """
    from feast.errors import FeastObjectNotFoundException
    from feast.repo_operations import apply_total

    store = open_feature_store(settings)
    repo = settings.feast_repo_path
    # Feast prints its own account of the changes. Its sources' paths count from the working directory.
    with _inside(repo), redirect_stdout(sys.stderr):
        try:
            apply_total(store.config, Path.cwd(), skip_source_validation=False)
        except (ValueError, TypeError, FeastObjectNotFoundException) as error:
            raise InvalidDefinitions(repo, str(error)) from error
    store = open_feature_store(settings)
    return AppliedDefinitions(
        # Feast adds an entity of its own for views without one.
        sorted(item.name for item in store.list_entities() if item.name != "__dummy"),
        sorted(item.name for item in (*store.list_feature_views(), *store.list_stream_feature_views())),
        sorted(item.name for item in store.list_feature_services()),
    )
