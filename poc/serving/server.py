"""Run the app: say where it listens, stop without dropping a request. And run Feast's feature server.

Knows processes and signals. What the app does is `poc.serving.app`'s.
"""

import asyncio
import gc
import json
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from poc.command_line import argument_parser, configure_logging, fail, ok
from poc.errors import PocError
from poc.feature_store import open_feature_store, repo_yaml
from poc.monitoring.state import StateReader
from poc.retrieval.source import FeatureSource
from poc.serving.app import create_app
from poc.serving.edge import Edge
from poc.serving.keys import read_keys
from poc.serving.listening import begin_to_listen, configured, listen, refuse_registry_code
from poc.serving.metrics import refuse_shared_metrics, shared_metrics
from poc.serving.request_bodies import PlainBodies
from poc.serving.request_models import example_keys
from poc.serving.response_models import StatusResponse
from poc.serving.routes import Readiness
from poc.serving.workers import supervise
from poc.settings import Settings, load_settings, require_fitting

log = logging.getLogger(__name__)

FIRST_ATTEMPT_SECONDS = 60.0
# Of Feast's routes; the others write.
READS = frozenset({"/get-online-features", "/health"})


def serve(
    manual: str | None,
    open_source: Callable[[Settings], FeatureSource],
    *,
    source_name: str,
    default_port: int,
    open_state: Callable[[Settings], StateReader] | None = None,
) -> None:
    """Answer requests, as the environment says, until SIGTERM or Ctrl-C; then finish those in flight.

    Args:
        manual: the command's, which takes no arguments.
        open_source: a function of a module, as `open_state`; for both and `source_name` see `create_app`.
        default_port: where to listen when PORT is not set.

    Raises what `listen`, `begin_to_listen` and `create_app` do, and WorkerEnded.
    """
    argument_parser(manual).parse_args()
    settings = load_settings()
    require_fitting(settings, "prometheus_port", "grafana_port")
    configure_logging(settings.log_level)
    # What can be refused is refused before Feast is imported, which takes seconds.
    refuse_shared_metrics()
    listener, url = listen(settings, default_port)
    repo_yaml(settings)
    print(f"Starting to serve on {url} (importing Feast takes some seconds) ...", flush=True)
    # Both can be pickled, and so be sent to a new process.
    make = partial(create_app, settings, open_source, source_name=source_name, open_state=open_state)
    job = partial(work, settings, make, listener, url)
    if settings.workers == 1:
        job(True)
        return
    with shared_metrics() as forget:
        supervise(settings.workers, job, forget)


def work(
    settings: Settings, make: Callable[[], FastAPI], listener: socket.socket, url: str, speaks: bool
) -> None:
    """Run one process of a server; workers share `listener`, and the one that `speaks` says how it goes."""
    configure_logging(settings.log_level)
    refuse_registry_code(settings)
    app = make()
    logging.captureWarnings(True)
    # At INFO they tell of each refresh of the registry, and of each question to a feature server.
    for name in ("feast", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    begin_to_listen(listener)
    key = "" if read_keys(settings) is None else ' -H "X-API-Key: $API_KEY"'
    threading.Thread(target=settle, args=(app, url if speaks else None, key), daemon=True).start()
    server = DrainingServer(configured(app, settings), app.state.readiness, settings.shutdown_grace_seconds)
    server.run(sockets=[listener])


class DrainingServer(uvicorn.Server):
    """A server that tells so before it stops.

    SIGTERM: /ready answers 503 while requests are still answered, for `grace_seconds`; then it stops
    listening, finishes what is in flight and returns. Ctrl-C, or a second signal: the same without
    the wait. uvicorn's own way would stop listening at once, and raise the signal again at the end.
    """

    def __init__(self, config: uvicorn.Config, readiness: Readiness, grace_seconds: float) -> None:
        super().__init__(config)
        self._readiness, self._grace_seconds = readiness, grace_seconds
        self._stops_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop. It can come in the midst of anything, and so takes no lock and starts no thread."""
        at_once = sig == signal.SIGINT or self._readiness.draining
        self._readiness.draining = True
        self._stops_at = time.monotonic() + (0 if at_once else self._grace_seconds)

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to stop; asked ten times a second."""
        is_time = self._stops_at is not None and time.monotonic() >= self._stops_at
        return await super().on_tick(counter) or is_time


def settle(app: FastAPI, url: str | None, key: str) -> None:
    """Wait until it is known how the first attempt to get ready went, then say so for `url`, if any.

    `key` is curl's option for an API key.
    """
    for resource in app.state.resources:
        resource.wait_until_tried(FIRST_ATTEMPT_SECONDS)
    # What Feast, MLflow and pandas have imported by now stays: a collection that walks it all again
    # holds every request up for a sixth of a second.
    gc.collect()
    gc.freeze()
    if url is None:
        return
    asking = asyncio.run_coroutine_threadsafe(app.state.readiness.obstacle(), app.state.loop.result())
    obstacle: PocError | None = asking.result()
    if obstacle is None:
        body = json.dumps(example_keys(app.state.requests.served))
        ask = f"curl -s {url}/predict{key} -H 'content-type: application/json' -d '{body}'"
        ok(f"Serving on {url} - try: {ask}")
    else:
        fail(f"Listening on {url}, not ready yet: {obstacle.what}\n  {obstacle.way_out}")


def serve_features(settings: Settings, default_port: int) -> None:
    """Answer what Feast's feature server does for reading alone, until SIGTERM or Ctrl-C.

    `feast serve` also lets whoever reaches it write features and start materializations. Raises what `listen`
    and opening the repository raise.
    """
    configure_logging(settings.log_level)
    listener, url = listen(settings, default_port)
    refuse_registry_code(settings)
    store = open_feature_store(settings)
    # Not before: the provider, which comes with the store, puts another one in its place.
    from feast.feature_server import get_app

    app: FastAPI = get_app(store)
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) in READS]

    @app.get("/live")
    async def live() -> StatusResponse:
        """Tell that the process answers. Says nothing of Cassandra."""
        return StatusResponse(status="alive")

    app.add_middleware(PlainBodies)
    keys, per_second = read_keys(settings), settings.requests_per_second
    app.add_middleware(Edge, keys=keys, root_path=settings.root_path, per_second=per_second)
    begin_to_listen(listener)
    ok(f"Serving features on {url}")
    uvicorn.Server(configured(app, settings)).run(sockets=[listener])
