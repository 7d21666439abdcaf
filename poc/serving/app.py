"""The one place where a feature source, a model and HTTP meet."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from poc import __doc__ as summary
from poc.monitoring.collector import StateCollector, StateWatch
from poc.monitoring.state import StateReader
from poc.repository import declared_service
from poc.retrieval.source import FeatureSource
from poc.serving.admission import Admission
from poc.serving.console.routes import console_router, rival_of
from poc.serving.document import document
from poc.serving.edge import ALWAYS_OPEN, Edge
from poc.serving.health import Readiness, health_router
from poc.serving.inference import inference_router
from poc.serving.kept import Kept, keep_features, keep_model
from poc.serving.keys import read_keys
from poc.serving.metrics import Metrics
from poc.serving.prediction import Predictor
from poc.serving.problems import install_handlers
from poc.serving.questions import Asked
from poc.serving.rates import read_rates
from poc.serving.routes import prediction_router, state_router
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.model.scoring import Scorer


def create_app(
    settings: Settings,
    open_source: Callable[[Settings], FeatureSource],
    *,
    source_name: str,
    model: "Kept[Scorer] | None" = None,
    open_state: Callable[[Settings], StateReader] | None = None,
) -> FastAPI:
    """Build the server's app. It connects when it is started, in the background.

    Args:
        open_source: opens the feature source; tried again until it succeeds.
        source_name: the source's `name`, for answers and metrics before it is open.
        model: the scorer; by default the registered model of `settings`, kept up to date.
        open_state: opens what reads the state of the online store, for /metrics; None where none can be.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        InvalidSettings: the API keys cannot.
    """
    keys = read_keys(settings)
    metrics = Metrics(source_name)
    loop: Future[asyncio.AbstractEventLoop] = Future()
    features = keep_features(settings, open_source, loop)
    asked = Asked(declared_service(settings), features)
    if model is None:
        model = keep_model(settings, served=lambda: getattr(features.latest, "feature_names", None))
    readiness = Readiness(features, model, metrics)
    kept: list[Kept[FeatureSource] | Kept[Scorer] | StateWatch] = [features, model]
    if open_state is not None:
        opens, seconds = partial(open_state, settings), settings.metrics_refresh_seconds
        state = StateWatch(opens, seconds, metrics.state_was_read, metrics.state_was_not_read)
        metrics.show_state(StateCollector(lambda: state.state))
        kept.append(state)
    rival = rival_of(source_name, settings)
    predictor = Predictor(features, model, metrics, refuse_stale=settings.stale_features == "refuse")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop.set_result(asyncio.get_running_loop())
        for item in kept:
            item.start()
        watch = asyncio.create_task(readiness.watch())
        yield
        watch.cancel()
        # In a thread: a source that was read from this loop needs the loop to close.
        for stop in (rival.close, *(item.stop for item in kept)):
            await run_in_threadpool(stop)

    title = f"Fraud predictions, features through {source_name}"
    app = FastAPIOffline(title=title, description=summary or "", lifespan=lifespan)
    app.state.readiness = readiness
    app.state.kept = (features, model)
    app.state.asked = asked
    app.state.loop = loop
    rates = read_rates(settings)
    app.add_middleware(Admission, most=settings.max_concurrent_requests, metrics=metrics)
    app.add_middleware(
        Edge,
        keys=keys,
        root_path=settings.root_path,
        open_parts=settings.open_without_key,
        rates=rates,
    )
    install_handlers(app, asked, metrics)
    app.include_router(prediction_router(predictor, asked, source_name))
    app.include_router(state_router(model, metrics))
    app.include_router(health_router(readiness, source_name))
    app.include_router(inference_router(predictor, model, readiness, asked, settings.model_name))
    if settings.console == "on":
        app.include_router(console_router(predictor, features, model, asked, source_name, rival))
    refusals = {401: keys is not None, 429: rates is not None}
    document(app, asked, [status for status, may in refusals.items() if may], open_paths=ALWAYS_OPEN)
    return app
