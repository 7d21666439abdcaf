"""The one place where a feature source, a model and HTTP meet."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from poc import __doc__ as summary
from poc.errors import PocError
from poc.monitoring.state import StateReader, StateWatch
from poc.repository import declared_service
from poc.retrieval.source import FeatureSource
from poc.serving import problems
from poc.serving.console.routes import console_router, race_of
from poc.serving.console.samples import Samples
from poc.serving.edge import ALWAYS_OPEN, HEADERS, Edge
from poc.serving.inference import inference_router
from poc.serving.keys import read_keys
from poc.serving.metrics import Metrics
from poc.serving.prediction import Predictor
from poc.serving.request_bodies import Admission
from poc.serving.request_models import CurrentRequests
from poc.serving.resources import FeatureResource, ModelResource, feature_resource, model_resource
from poc.serving.response_models import document
from poc.serving.routes import Readiness, prediction_router, state_router
from poc.settings import Settings

log = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    open_source: Callable[[Settings], FeatureSource],
    *,
    source_name: str,
    model: "ModelResource | None" = None,
    open_state: Callable[[Settings], StateReader] | None = None,
) -> FastAPI:
    """Build the server's app. It connects when it is started, in the background.

    Args:
        open_source: opens the feature source; tried again until it succeeds.
        source_name: the source's `name`, for answers and metrics before it is open.
        model: the scorer; by default the registered model of `settings`, kept up to date.
        open_state: opens what reads the state of the online store, for /metrics; None where none can be.

    Raises NotInProjectFolder and InvalidDefinitions of the repository, InvalidSettings of the API keys.
    """
    keys = read_keys(settings)
    metrics = Metrics(source_name)
    loop: Future[asyncio.AbstractEventLoop] = Future()
    features = feature_resource(settings, open_source, loop)
    current = CurrentRequests(declared_service(settings), features)
    if model is None:
        model = model_resource(
            settings, served=lambda: None if features.latest is None else features.latest.served.features
        )
    readiness = Readiness(features, model, metrics)
    resources: list[FeatureResource | ModelResource | StateWatch] = [features, model]
    if open_state is not None:
        opens, seconds = partial(open_state, settings), settings.metrics_refresh_seconds
        state = StateWatch(opens, seconds, metrics.state_was_read, metrics.state_was_not_read)
        metrics.show_state(state)
        resources.append(state)
    race = race_of(source_name, settings, features)
    predictor = Predictor(features, model, metrics, refuse_stale=settings.stale_features == "refuse")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop.set_result(asyncio.get_running_loop())
        for resource in resources:
            resource.start()
        watch = asyncio.create_task(readiness.watch())
        yield
        watch.cancel()
        # In a thread: a source that was read from this loop needs the loop to close.
        for stop in (race.close, *(resource.stop for resource in resources)):
            await run_in_threadpool(stop)

    title = f"Fraud predictions, features through {source_name}"
    app = FastAPIOffline(title=title, description=summary or "", lifespan=lifespan)
    app.state.readiness = readiness
    app.state.resources = (features, model)
    app.state.requests = current
    app.state.loop = loop
    app.add_middleware(Admission, most=settings.max_concurrent_requests, metrics=metrics)
    app.add_middleware(
        Edge,
        keys=keys,
        root_path=settings.root_path,
        open_parts=settings.open_without_key,
        per_second=settings.requests_per_second,
    )
    _answer_errors(app, current, metrics)
    app.include_router(prediction_router(predictor, current, source_name))
    app.include_router(state_router(readiness, model, metrics, source_name))
    app.include_router(inference_router(predictor, model, readiness, current, settings.model_name))
    if settings.console == "on":
        app.include_router(console_router(predictor, current, Samples(current, features, model), race))
    refusals = {401: keys is not None, 429: settings.requests_per_second is not None}
    document(app, current, [status for status, may in refusals.items() if may], open_paths=ALWAYS_OPEN)
    return app


def _answer_errors(app: FastAPI, current: CurrentRequests, metrics: Metrics) -> None:
    """Make `app` answer every error with a problem; refused prediction requests are counted."""

    def count_refused(request: Request) -> None:
        if problems.asks_for_prediction(request):
            metrics.count(problems.INVALID_REQUEST.outcome)

    @app.exception_handler(PocError)
    async def known(request: Request, error: PocError) -> Response:
        return problems.answer_error(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        count_refused(request)
        return problems.invalid_request(problems.field_errors(error.errors(), current.served.names))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        count_refused(request)
        phrase = HTTPStatus(error.status_code).phrase
        slug = phrase.lower().replace(" ", "-")
        kind = problems.ProblemType(error.status_code, slug, phrase, problems.INVALID_REQUEST.outcome)
        detail = f"{request.method} {request.url.path}" if error.detail == phrase else str(error.detail)
        return problems.respond(request, kind, detail, problems.SEE_DOCS, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # Nobody reads it.

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        said = "The server failed on this request", "Its log has the traceback."
        # It is written outside of what adds them to all other answers.
        headers = {name.decode(): value.decode() for name, value in HEADERS.items()}
        return problems.respond(request, problems.INTERNAL, *said, headers)
