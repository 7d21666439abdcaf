"""Feast's feature server for reading alone: its own answers, behind the edge of the prediction servers.

`feast serve` also lets whoever reaches it write features and start materializations. Here it does not.
"""

from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from poc.command_line import configure_logging, ok
from poc.serving.edge import Edge
from poc.serving.encodings import PlainBodies
from poc.serving.keys import read_keys
from poc.serving.listening import configured, listen
from poc.serving.rates import read_rates
from poc.serving.registry_code import refuse_registry_code
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

# Of Feast's routes; the others write.
READS = frozenset({"/get-online-features", "/health"})


def features_app(store: "FeatureStore", settings: Settings) -> FastAPI:
    """Build the app that answers reads of `store`, and probes; for what writes it answers 404."""
    from feast.feature_server import get_app

    app: FastAPI = get_app(store)
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) in READS]

    @app.get("/live")
    async def live() -> Response:
        """Tell that the process answers. Says nothing of Cassandra."""
        return JSONResponse({"status": "alive"})

    app.add_middleware(PlainBodies)
    keys, rates = read_keys(settings), read_rates(settings)
    app.add_middleware(Edge, keys=keys, root_path=settings.root_path, rates=rates)
    return app


def serve_features(settings: Settings, default_port: int) -> None:
    """Answer reads until SIGTERM or Ctrl-C; then finish those in flight.

    Raises: as `listen`, and what opening the repository raises.
    """
    configure_logging(settings.log_level)
    listener, url = listen(settings, default_port)
    refuse_registry_code(settings)
    from poc.feature_store import open_feature_store

    config = configured(features_app(open_feature_store(settings), settings), settings)
    ok(f"Serving features on {url}")
    uvicorn.Server(config).run(sockets=[listener])
