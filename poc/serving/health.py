"""Whether the server lives, whether it can predict, and what stands in its way."""

import asyncio
import logging
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse, Response

from poc.errors import FeaturesUnavailable, PocError, ShuttingDown
from poc.retrieval.source import FeatureSource
from poc.serving.answers import Component, HealthAnswer, StatusAnswer
from poc.serving.kept import Kept
from poc.serving.metrics import Metrics
from poc.serving.prediction import require_inputs
from poc.serving.problems import Problem, error_response, listed_problem_types

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

log = logging.getLogger(__name__)

# Of several processes, a probe asks only one.
WATCH_SECONDS = 5.0


class Readiness:
    """Tells whether predictions can be made, by trying what they need; shows the states among `metrics`."""

    def __init__(self, features: "Kept[FeatureSource]", model: "Kept[Scorer]", metrics: Metrics) -> None:
        self._features, self._model, self._metrics = features, model, metrics
        self.draining = False

    def drain(self) -> None:
        """Stop being ready, for good; requests are still answered."""
        self.draining = True

    async def obstacles(self) -> dict[str, PocError | None]:
        """Return for each component what stands in its way; None if nothing does."""
        found: dict[str, PocError | None] = {}
        for component, check in (("features", self._check_features), ("model", self._check_model)):
            try:
                await check()
                found[component] = None
            except PocError as error:
                found[component] = error
            self._metrics.set_ready(component, found[component] is None)
        return found

    async def watch(self, seconds: float = WATCH_SECONDS) -> None:
        """Keep the metrics of the components' states true, whoever asks for /ready, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.obstacles()
            except Exception:  # Whatever it is, /ready tells of it too; it must not end the watch.
                log.exception("The components' states cannot be told")

    async def obstacle(self) -> PocError | None:
        """Return the first reason against sending predictions here; None if there is none."""
        if self.draining:
            return ShuttingDown()
        return next((error for error in (await self.obstacles()).values() if error is not None), None)

    async def _check_features(self) -> None:
        try:
            await self._features.get().check()
        except FeaturesUnavailable as error:
            self._features.suspect(error)
            raise

    async def _check_model(self) -> None:
        source, scorer = self._features.latest, self._model.get()
        if source is not None:
            require_inputs(scorer, source.feature_names)


def health_router(readiness: Readiness, source: str) -> APIRouter:
    """Make the routes that a supervisor and a person ask."""
    router = APIRouter(tags=["state"])

    @router.get("/live", response_model=StatusAnswer)
    async def live() -> StatusAnswer:
        """Tell that the process answers. Says nothing of Cassandra or the model."""
        return StatusAnswer(status="alive")

    @router.get("/ready", response_model=StatusAnswer, responses={503: {"model": Problem}})
    async def ready() -> Response:
        """Tell whether predictions can be asked for now: 200, or 503 and what to do."""
        obstacle = await readiness.obstacle()
        if obstacle is not None:
            return error_response(obstacle)
        return JSONResponse(StatusAnswer(status="ready").model_dump())

    @router.get("/health", response_model=HealthAnswer, responses={503: {"model": HealthAnswer}})
    async def health() -> Response:
        """Tell the state of each component; 503 unless all are ready."""
        components = tuple(
            Component(name=name, ready=True)
            if error is None
            else Component(name=name, ready=False, detail=error.what, way_out=error.way_out)
            for name, error in (await readiness.obstacles()).items()
        )
        all_ready = all(component.ready for component in components) and not readiness.draining
        status = "ready" if all_ready else "shutting_down" if readiness.draining else "not_ready"
        answer = HealthAnswer(status=status, source=source, components=components)
        return JSONResponse(answer.model_dump(exclude_none=True), status_code=200 if all_ready else 503)

    @router.get("/problems/{slug}", include_in_schema=False)
    async def problem_page(slug: str) -> Response:
        """Tell what a problem's `type` means."""
        kind = listed_problem_types().get(slug)
        if kind is None:
            raise HTTPException(404)
        return JSONResponse({"title": kind.title, "status": kind.status})

    return router
