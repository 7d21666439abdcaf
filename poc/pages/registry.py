"""A registry for people: the page of the docs about all its features, and Feast's own web page.

Knows Feast's registry objects. Where the one is kept, and who serves the other, is up to the caller.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import resources
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from poc.dataset.columns import Limits, read_limits
from poc.feature_store import open_feature_store, repo_yaml
from poc.output import markdown_table
from poc.repository import apply_definitions
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView

INTRODUCTION = """# Features

Written by `python scripts/write_docs.py` from the registry that `feature_repo/features.py` makes.
`python scripts/feast_ui.py` shows the same in the browser:

![A feature view on Feast's web page](images/feast-ui.png)"""

# Tag of a feature service: the registered model that takes its features.
MODEL = "model"
# Feast's own entity, of views without one: nobody declared it.
NO_ENTITY = "__dummy"
_LIMITS = ("min", "max", "values")
# Everything comes from this server; the page compiles the registry's protobuf, and sets styles, at run time.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:"
)


@contextmanager
def registered_apart(settings: Settings) -> Iterator["FeatureStore"]:
    """Apply `features.py` to a registry that the end of the block removes. Connects to nothing."""
    repo_yaml(settings)  # For the error where there is no repository.
    with TemporaryDirectory(prefix="feature-registry-") as folder:
        store_yaml = Path(folder, "feature_store.yaml")
        local = {
            "project": "declared",
            "provider": "local",
            "registry": f"{folder}/registry.db",
            "online_store": {"type": "sqlite", "path": f"{folder}/online.db"},
            "entity_key_serialization_version": 2,
        }
        store_yaml.write_text(json.dumps(local))
        elsewhere = {"feast_fs_yaml_file_path": store_yaml, "cassandra_hosts": None, "cassandra_port": None}
        apart = settings.model_copy(update=elsewhere)
        apply_definitions(apart)
        yield open_feature_store(apart)


def declared_features_page(settings: Settings) -> str:
    """Write the page about what `features.py` declares now, applied or not."""
    with registered_apart(settings) as store:
        return features_page(store)


def features_page(store: "FeatureStore") -> str:
    """Write the page about everything in the registry of `store`."""
    by_name = attrgetter("name")
    services = sorted(store.list_feature_services(), key=by_name)
    views = sorted([*store.list_feature_views(), *store.list_stream_feature_views()], key=by_name)
    parts = [INTRODUCTION, *(_view_section(view, store, services) for view in views)]
    parts += [_services_section(services), _lineage_section(views, services)]
    return "\n\n".join(parts) + "\n"


def _view_section(view: "FeatureView", store: "FeatureStore", services: Sequence["FeatureService"]) -> str:
    source = view.batch_source
    users = [
        (service.tags.get(MODEL) or service.name, {field.name for field in projection.features})
        for service in services
        for projection in service.feature_view_projections
        if projection.name == view.name
    ]
    path = getattr(source, "path", None)
    place = f"a {type(source).__name__}" if path is None else f"`{path}`"
    keys = {column.name: column.dtype for column in view.entity_columns}
    entities = [_entity(store, name, keys) for name in view.entities if name != NO_ENTITY]
    facts = {
        "entity": "; ".join(entities) or "none",
        "source": f"`{source.name}`: {place}, event time `{source.timestamp_field}`."
        f" {source.description}".rstrip(),
        "fresh for": "ever" if not view.ttl else _days(view.ttl),
        "online": "yes" if view.online else "no",
        "owner": view.owner,
        "tags": _tags(view.tags),
    }
    features = [
        (
            f"`{feature.name}`",
            str(feature.dtype),
            _range(read_limits(feature)),
            feature.description,
            _tags({name: value for name, value in feature.tags.items() if name not in _LIMITS}),
            ", ".join(sorted({user for user, names in users if feature.name in names})),
        )
        for feature in view.features
        if feature.name not in keys
    ]
    head = ("feature", "type", "allowed", "meaning", "other tags", "used by")
    tables = markdown_table(("", ""), facts.items()), markdown_table(head, features)
    return "\n\n".join((f"## {view.name}", view.description, *tables))


def _entity(store: "FeatureStore", name: str, keys: Mapping[str, object]) -> str:
    entity = store.get_entity(name)
    return f"`{name}`, join key `{entity.join_key}` ({keys[entity.join_key]}). {entity.description}".rstrip()


def _services_section(services: Iterable["FeatureService"]) -> str:
    rows = [
        (
            f"`{service.name}`",
            ", ".join(f"`{item.name}`" for item in service.feature_view_projections),
            service.tags.get(MODEL, "none"),
            service.owner,
            service.description,
        )
        for service in services
    ]
    return f"## Feature services\n\n{markdown_table(('service', 'views', 'model', 'owner', 'meaning'), rows)}"


def _lineage_section(views: Iterable["FeatureView"], services: Sequence["FeatureService"]) -> str:
    arrows = [(view.batch_source.name, view.name) for view in views]
    arrows += [(item.name, service.name) for service in services for item in service.feature_view_projections]
    arrows += [(item.name, f"model {item.tags[MODEL]}") for item in services if MODEL in item.tags]
    names = dict.fromkeys(name for arrow in arrows for name in arrow)
    numbers = {name: f"n{number}" for number, name in enumerate(names)}
    lines = ["flowchart LR"]
    lines += [f'  {number}["{name}"]' for name, number in numbers.items()]
    lines += [f"  {numbers[start]} --> {numbers[end]}" for start, end in dict.fromkeys(arrows)]
    return "\n".join(("## Lineage", "", "```mermaid", *lines, "```"))


def _range(limits: Limits) -> str:
    if limits.values is not None:
        return ", ".join(limits.values)
    low, high = limits.minimum, limits.maximum
    if low is not None and high is not None:
        return f"{low:.15g} to {high:.15g}"
    if low is not None:
        return f"{low:.15g} or more"
    return "any" if high is None else f"{high:.15g} or less"


def _tags(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(tags.items()))


def _days(length: timedelta) -> str:
    return f"{length.days} days" if length == timedelta(days=length.days) else str(length)


def ui_app(store: "FeatureStore") -> FastAPI:
    """Build the app of Feast's page: itself, the projects that it asks for, and the registry.

    The registry is read anew when the page is reloaded. Feast 0.38's own server for it asks importlib for the
    resources of a module, which Python before 3.12 refuses, and writes into Feast's folder.

    Raises FileNotFoundError: Feast's package brings no page.
    """
    from feast.protos.feast.core.Registry_pb2 import Registry

    page = Path(str(resources.files("feast"))) / "ui" / "build"
    if not (page / "index.html").is_file():
        raise FileNotFoundError(page / "index.html")
    app = FastAPI(title="Feast UI", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def own_content(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/projects-list.json")
    def projects() -> dict[str, list[dict[str, Any]]]:
        name = store.project
        described = "Card payments, and what is known of them when they are to be judged."
        project = {"name": name, "id": name, "description": described, "registryPath": "/registry"}
        return {"projects": [project]}

    @app.get("/registry")
    def registry() -> Response:
        store.refresh_registry()
        shown = Registry.FromString(store.registry.proto().SerializeToString())
        declared = [entity for entity in shown.entities if entity.spec.name != NO_ENTITY]
        del shown.entities[:]
        shown.entities.extend(declared)
        return Response(shown.SerializeToString(), media_type="application/octet-stream")

    @app.get("/p/{path:path}")
    def view(path: str) -> Response:
        # A place inside the page, which finds it by itself.
        return FileResponse(page / "index.html")

    app.mount("/", StaticFiles(directory=page, html=True))
    return app
