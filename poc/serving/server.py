"""Run the app: take the address, say where it listens, stop without dropping a request.

Knows uvicorn and signals. What the app does is `poc.serving.app`'s.
"""

import asyncio
import gc
import json
import logging
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from poc.command_line import argument_parser, fail, ok
from poc.errors import AddressUnavailable, PocError
from poc.feature_store import repo_yaml
from poc.logs import configure_logging
from poc.monitoring.state import StateReader
from poc.retrieval.source import FeatureSource
from poc.serving.app import create_app
from poc.serving.health import Readiness
from poc.serving.metrics import shared_metrics
from poc.serving.questions import example_keys
from poc.serving.workers import supervise
from poc.settings import Settings, load_settings

log = logging.getLogger(__name__)

# A request ends within its budget for Cassandra; what takes longer than this has lost its client.
LAST_REQUESTS_SECONDS = 30
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
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        WorkerEnded: one of several processes stopped by itself.
    """
    argument_parser(manual).parse_args()
    settings = load_settings()
    configure_logging(settings.log_level)
    port = default_port if settings.port is None else settings.port
    # What can be refused is refused before Feast is imported, which takes seconds.
    listener = bind(settings.host, port)
    repo_yaml(settings)
    url = f"http://{shown_host(settings.host)}:{port}"
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
    app = create_app(settings, open_source, source_name=source_name, open_state=open_state)
    logging.captureWarnings(True)
    # At INFO they tell of each refresh of the registry, and of each question to a feature server.
    for name in ("feast", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
    )
    threading.Thread(target=settle, args=(app, url if speaks else None), daemon=True).start()
    server = DrainingServer(config, app.state.readiness, settings.shutdown_grace_seconds)
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

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        at_once = sig == signal.SIGINT or self._readiness.draining
        self._readiness.drain()
        if at_once:
            self._stop()
            return
        timer = threading.Timer(self._grace_seconds, self._stop)
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        self.should_exit = True


def settle(app: FastAPI, url: str | None) -> None:
    """Wait until it is known how the first attempt to get ready went, then say so for `url`."""
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
        ok(f"Serving on {url} - try: curl -s {url}/predict -H 'content-type: application/json' -d '{body}'")
    else:
        fail(f"Listening on {url}, not ready yet: {obstacle.what}\n  {obstacle.way_out}")


def bind(host: str, port: int) -> socket.socket:
    """Take the address, without listening yet; raise `AddressUnavailable` where it cannot be taken."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    return listener


def shown_host(host: str) -> str:
    """Return the host that a person on this machine can ask."""
    if host in ("0.0.0.0", "::", "127.0.0.1", "::1"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
