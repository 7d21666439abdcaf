"""Feast's web page, served for the registry of a feature store.

Feast 0.38's own server for it asks importlib for the resources of a module, which Python before 3.12
refuses, and writes into the folder that Feast is installed in. The page is the one that its package brings.
"""

from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

if TYPE_CHECKING:
    from feast import FeatureStore

# Everything comes from this server; the page compiles the registry's protobuf, and sets styles, at run time.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:"
)


def ui_app(store: "FeatureStore") -> FastAPI:
    """Build the app: the page, the list of projects that it asks for, and the registry, read anew when asked.

    It can be applied to meanwhile; reloading the page shows that. FileNotFoundError: Feast brings no page.
    """
    from feast.feature_view import DUMMY_ENTITY_NAME
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
        # Feast's own, for views without an entity: nobody declared it.
        declared = [entity for entity in shown.entities if entity.spec.name != DUMMY_ENTITY_NAME]
        del shown.entities[:]
        shown.entities.extend(declared)
        return Response(shown.SerializeToString(), media_type="application/octet-stream")

    @app.get("/p/{path:path}")
    def view(path: str) -> Response:
        # A place inside the page, which finds it by itself.
        return FileResponse(page / "index.html")

    app.mount("/", StaticFiles(directory=page, html=True))
    return app
