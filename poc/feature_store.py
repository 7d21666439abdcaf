"""The Feast feature store that the settings select, and the connection that it states."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poc.errors import InvalidDefinitions, NotInProjectFolder, RegistryUnreadable, StorePackageMissing
from poc.online_store.connection import (
    ConnectionSettings,
    Driver,
    connection_settings,
    given_credentials,
)
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore, RepoConfig


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
    with _configuration_errors(repo_yaml(settings)), registry_errors(config):
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
        # Read now, what it says wrongly is told before anything is done.
        try:
            _ = config.batch_engine
        except AssertionError as error:
            said = "batch_engine: its type is none of Feast's, and no class whose name ends in Engine"
            raise ValueError(said) from error
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
def registry_errors(config: "RepoConfig") -> Iterator[None]:
    """Raise RegistryUnreadable for what is raised inside of a registry that cannot be read or written."""
    from google.protobuf.message import DecodeError

    try:
        yield
    except Exception as error:
        damaged = isinstance(error, DecodeError)
        remote = type(error).__module__.startswith(("sqlalchemy", "botocore", "boto3", "google."))
        if not (damaged or remote or isinstance(error, OSError)):
            raise
        where = str(config.registry.path)
        if "://" not in where:
            where = os.path.relpath(config.repo_path / where)
        said = "it is damaged, or is none" if damaged else str(error) or type(error).__name__
        raise RegistryUnreadable(where, said.splitlines()[0], damaged) from error


# What Feast's own code runs into where a yaml says something else than it expects.
_UNFIT = (ValueError, TypeError, AttributeError, AssertionError)


@contextmanager
def _configuration_errors(path: Path) -> Iterator[None]:
    from feast.errors import FeastModuleImportError
    from feast.repo_config import FeastConfigError

    try:
        yield
    except FeastConfigError as error:
        raise InvalidDefinitions(path, config_problem(error)) from error
    except (FeastModuleImportError, ModuleNotFoundError) as error:
        raise StorePackageMissing(path, str(error.__cause__ or error)) from error
    except KeyError as error:
        if error.args != ("type",):
            raise
        reason = "online_store and offline_store need a type each: only Feast's own providers have defaults"
        raise InvalidDefinitions(path, reason) from error
    except Exception as error:
        # What is no YAML, or no mapping, Feast lets through to its own code. Of a registry whose scheme it
        # does not know it raises an Exception of no kind.
        known = isinstance(error, _UNFIT) or is_feasts(error) or type(error) is Exception
        if hasattr(error, "problem_mark"):
            raise InvalidDefinitions(path, _yaml_problem(error)) from error
        if known or type(error).__module__.startswith("yaml"):
            said = str(error) or f"a value is not one that Feast takes ({type(error).__name__})"
            raise InvalidDefinitions(path, said) from error
        raise


def _yaml_problem(error: Any) -> str:
    """Word what is no YAML, and where, without what stands there: it may be a password of the environment."""
    mark = error.problem_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return where + re.sub("'[^'<]{2,}'", "...", f"{error.context or 'it is no YAML'}: {error.problem}")


def is_feasts(error: Exception) -> bool:
    """Return whether `error` is one of Feast's own types."""
    return type(error).__module__ == "feast.errors"


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
