"""Run the app: say where it listens, stop without dropping a request.

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
from poc.feature_store import repo_yaml
from poc.monitoring.state import StateReader
from poc.retrieval.source import FeatureSource
from poc.serving.app import create_app
from poc.serving.health import Readiness
from poc.serving.keys import read_keys
from poc.serving.listening import configured, listen
from poc.serving.metrics import refuse_shared_metrics, shared_metrics
from poc.serving.questions import example_keys
from poc.serving.registry_code import refuse_registry_code
from poc.serving.workers import supervise
from poc.settings import Settings, load_settings, require_fitting

log = logging.getLogger(__name__)

FIRST_ATTEMPT_SECONDS = 60.0


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
        open_source: opens the feature source; a function of a module, as `open_state`.
        source_name: the source's `name`.
        default_port: where to listen when PORT is not set.
        open_state: opens what reads the state of the online store; None where it cannot be read.

    Raises:
        AddressUnavailable: nothing can listen there.
        ApiKeysMissing: other machines can reach it there, and nothing says who may ask.
        InvalidSettings: a setting does not fit.
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        WorkerEnded: one of several processes stopped by itself.
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
    # Can be pickled, and so be sent to a new process.
    job = partial(work, settings, open_source, source_name, listener, url, open_state)
    if settings.workers == 1:
        job(True)
        return
    with shared_metrics() as forget:
        supervise(settings.workers, job, forget)


def work(
    settings: Settings,
    open_source: Callable[[Settings], FeatureSource],
    source_name: str,
    listener: socket.socket,
    url: str,
    open_state: Callable[[Settings], StateReader] | None,
    speaks: bool,
) -> None:
    """Do what one process of a server does: answer requests until told to stop.

    Workers share `listener`; the one that `speaks` says how it goes, at `url`. For the rest see `serve`.
    """
    configure_logging(settings.log_level)
    refuse_registry_code(settings)
    app = create_app(settings, open_source, source_name=source_name, open_state=open_state)
    logging.captureWarnings(True)
    # At INFO they tell of each refresh of the registry, and of each question to a feature server.
    for name in ("feast", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    ask = f"{url}/predict" if read_keys(settings) is None else f'{url}/predict -H "X-API-Key: $API_KEY"'
    threading.Thread(target=settle, args=(app, url if speaks else None, ask), daemon=True).start()
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
        self._readiness.drain()
        self._stops_at = time.monotonic() + (0 if at_once else self._grace_seconds)

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to stop; asked ten times a second."""
        is_time = self._stops_at is not None and time.monotonic() >= self._stops_at
        return await super().on_tick(counter) or is_time


def settle(app: FastAPI, url: str | None, ask: str) -> None:
    """Wait until it is known how the first attempt to get ready went, then say so for `url`.

    `ask` is what comes after `curl -s` to ask for a prediction.
    """
    for kept in app.state.kept:
        kept.wait_until_tried(FIRST_ATTEMPT_SECONDS)
    # What Feast, MLflow and pandas have imported by now stays: a collection that walks it all again
    # holds every request up for a sixth of a second.
    gc.collect()
    gc.freeze()
    if url is None:
        return
    asking = asyncio.run_coroutine_threadsafe(app.state.readiness.obstacle(), app.state.loop.result())
    obstacle: PocError | None = asking.result()
    if obstacle is None:
        body = json.dumps(example_keys(app.state.asked.served))
        ok(f"Serving on {url} - try: curl -s {ask} -H 'content-type: application/json' -d '{body}'")
    else:
        fail(f"Listening on {url}, not ready yet: {obstacle.what}\n  {obstacle.way_out}")
