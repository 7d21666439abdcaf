"""The feature repository that the settings select, as Feast runs it: read what it declares, apply that."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poc.command_line import doing
from poc.definitions import DECLARED_IN, ServedFeatures, served_features
from poc.errors import InvalidDefinitions, NotInProjectFolder
from poc.feature_store import is_feasts, load_config, open_feature_store, registry_errors
from poc.online_store.source import matched
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import Entity, FeatureView, RepoConfig
    from feast.repo_contents import RepoContents


def declared_service(settings: Settings) -> ServedFeatures:
    """Read the feature service of `settings` from the repository's Python files, as Feast loads them.

    What they leave to inference is inferred as `feast apply` does, from the source files that are there.

    Raises NotInProjectFolder, or InvalidDefinitions: its files do not run, do not declare the service, or
    this project cannot serve it.
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
        except (Exception, SystemExit) as error:
            # The files are a person's code: whatever they raise is the message.
            raise InvalidDefinitions(repo, f"{type(error).__name__}: {error}") from error
    _require_whole(found)
    _infer(config, found)
    return found


def _require_whole(found: "RepoContents") -> None:
    """Refuse what takes a view or an entity that Feast does not find: it looks at variables of the files."""
    views = (*found.feature_views, *found.stream_feature_views)
    known = {view.name for view in (*views, *found.on_demand_feature_views)}
    entities = {entity.name for entity in found.entities}
    taken = [
        (f"service {service.name}", item.name, known)
        for service in found.feature_services
        for item in service.feature_view_projections
    ]
    taken += [(f"view {view.name}", name, entities) for view in views for name in view.entities]
    for taker, name, there in taken:
        if name not in there:
            reason = f"{taker} takes {name}, which no file of the repository has as a variable of its own"
            raise InvalidDefinitions(DECLARED_IN, reason)


def _infer(config: "RepoConfig", found: "RepoContents") -> None:
    """Complete what was declared, as Feast does when it applies; without its sources, as far as that goes."""
    from feast import FeatureStore

    # One that is made in the ordinary way writes an empty registry where there is none.
    store = object.__new__(FeatureStore)
    store.config, store._list_entities = config, list
    there, entities = [], {entity.name: entity for entity in found.entities}
    for view in found.feature_views:
        path = getattr(view.batch_source, "path", None)
        if path is None or "://" in path or matched(path) is not None:
            there.append(view)
        else:
            _declare_keys(view, [entities[name] for name in view.entities if name in entities])
    try:
        on_demand, streams = found.on_demand_feature_views, found.stream_feature_views
        sources = [view.batch_source for view in there]
        store._make_inferences(sources, found.entities, there, on_demand, streams, [])
        views = {view.name: view for view in (*found.feature_views, *streams)}
        for service in found.feature_services:
            service.infer_features(fvs_to_update=views)
    except Exception as error:
        # It reads the sources as well: whatever is wrong with one is the message.
        raise InvalidDefinitions(DECLARED_IN, f"{type(error).__name__}: {error}") from error


def _declare_keys(view: "FeatureView", entities: "Sequence[Entity]") -> None:
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


def apply_definitions(settings: Settings) -> tuple[list[str], list[str]]:
    """Do what `feast -c feature_repo apply` does: write the registry, make the online store's tables.

    Returns: The names of the entities and of the feature views that the registry holds, each sorted.

    Raises NotInProjectFolder, or InvalidDefinitions where Feast refuses the definitions.
    """
    from feast.repo_operations import apply_total_with_repo_instance, parse_repo

    store = open_feature_store(settings)
    repo, folder = settings.feast_repo_path, Path.cwd()
    # Feast prints its own account of the changes.
    with _inside(repo), redirect_stdout(sys.stderr), doing(f"applying {repo}"):
        try:
            found = parse_repo(Path.cwd())
            # What is left to inference is read from the sources, whose paths count from here.
            os.chdir(folder)
            apply_total_with_repo_instance(store, store.project, store.registry, found, False)
        except Exception as error:
            if isinstance(error, (ValueError, TypeError)) or is_feasts(error):
                raise InvalidDefinitions(repo, str(error)) from error
            # Sources are files as well.
            registry = Path(store.config.registry.path).name
            if isinstance(error, OSError) and registry not in str(error.filename):
                raise
            with registry_errors(store.config):
                raise
    store = open_feature_store(settings)
    views = (*store.list_feature_views(), *store.list_stream_feature_views())
    # Feast adds an entity of its own for views without one.
    entities = sorted(item.name for item in store.list_entities() if item.name != "__dummy")
    return entities, sorted(view.name for view in views)
