"""The one place where a feature source, a model and HTTP meet."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from poc import __doc__ as summary
from poc.feature_store import declared_service
from poc.monitoring.collector import StateCollector, StateWatch
from poc.monitoring.state import StateReader
from poc.retrieval.source import FeatureSource
from poc.serving.asked import Asked
from poc.serving.console.routes import console_router, rival_of
from poc.serving.documentation import document
from poc.serving.handlers import install_handlers
from poc.serving.health import Readiness, health_router
from poc.serving.inference import inference_router
from poc.serving.kept import Kept
from poc.serving.metrics import Metrics
from poc.serving.models import keep_model
from poc.serving.prediction import Predictor
from poc.serving.routes import prediction_router, state_router
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

# Longer than any check: each step of one has the limit of a read.
CHECK_SECONDS = 200.0


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
        settings: the environment's say.
        open_source: opens the feature source; tried again until it succeeds.
        source_name: the source's `name`, for answers and metrics before it is open.
        model: the scorer; by default the registered model of `settings`, kept up to date.
        open_state: opens what reads the state of the online store, for /metrics; None where none can be.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
    """
    metrics = Metrics(source_name)
    loop: Future[asyncio.AbstractEventLoop] = Future()
    features = keep_features(settings, open_source, loop)
    asked = Asked(declared_service(settings), features)
    model = _keep_model(settings, features) if model is None else model
    readiness = Readiness(features, model, metrics)
    watch_state = None if open_state is None else keep_state(settings, open_state, metrics)
    rival = rival_of(source_name, settings)
    predictor = Predictor(features, model, metrics, refuse_stale=settings.stale_features == "refuse")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop.set_result(asyncio.get_running_loop())
        features.start()
        model.start()
        if watch_state is not None:
            watch_state.start()
        watch = asyncio.create_task(readiness.watch())
        yield
        watch.cancel()
        # In a thread: a source that was read from this loop needs the loop to close.
        await run_in_threadpool(rival.close)
        await run_in_threadpool(features.stop)
        await run_in_threadpool(model.stop)
        if watch_state is not None:
            await run_in_threadpool(watch_state.stop)

    app = FastAPIOffline(
        title=f"Fraud predictions, features through {source_name}",
        description=summary or "",
        lifespan=lifespan,
    )
    app.state.readiness = readiness
    app.state.kept = (features, model)
    app.state.asked = asked
    app.state.loop = loop
    install_handlers(app, asked, metrics)
    app.include_router(prediction_router(predictor, asked, source_name))
    app.include_router(state_router(model, metrics))
    app.include_router(health_router(readiness, source_name))
    app.include_router(inference_router(predictor, model, readiness, asked, settings.model_name))
    if settings.console == "on":
        app.include_router(console_router(predictor, features, model, asked, source_name, rival))
    document(app, asked)
    return app


def _keep_model(settings: Settings, features: Kept[FeatureSource]) -> "Kept[Scorer]":
    def served() -> tuple[str, ...] | None:
        source = features.latest
        return None if source is None else source.feature_names

    return keep_model(settings, served=served)


def keep_features(
    settings: Settings,
    open_source: Callable[[Settings], FeatureSource],
    loop: "Future[asyncio.AbstractEventLoop]",
) -> Kept[FeatureSource]:
    """Keep the source open. When reads failed, it is asked whether it works again; the driver repairs it.

    Args:
        settings: the environment's say.
        open_source: opens the source.
        loop: the event loop that reads, known once the server runs.
    """

    def renew(source: FeatureSource) -> FeatureSource:
        asyncio.run_coroutine_threadsafe(source.check(), loop.result()).result(CHECK_SECONDS)
        return source

    return Kept("features", lambda: open_source(settings), renew, lambda source: source.close())


def keep_state(
    settings: Settings, open_state: Callable[[Settings], StateReader], metrics: Metrics
) -> StateWatch:
    """Watch the state of the online store once started, and show it among `metrics`."""
    watch = StateWatch(
        lambda: open_state(settings),
        settings.metrics_refresh_seconds,
        metrics.state_was_read,
        metrics.state_was_not_read,
    )
    metrics.show_state(StateCollector(lambda: watch.state))
    return watch
