"""The console of one server: its page, and the routes that only the page asks.

They are no part of the API: the page shows with /predict's own words what a person could ask for there.
"""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from poc.definitions import FeatureSet
from poc.errors import NotExplainable, PocError
from poc.retrieval.source import FeatureSource
from poc.serving.answers import Answer, prediction_answer
from poc.serving.bodies import JsonRoute, arrived
from poc.serving.console.answers import (
    RaceRequest,
    about_answer,
    examples_answer,
    explanation,
    race_answer,
)
from poc.serving.console.files import files_router
from poc.serving.console.race import Race, Rival
from poc.serving.console.samples import Samples
from poc.serving.handlers import invalid_request
from poc.serving.kept import Kept
from poc.serving.prediction import Judged, Judgement, Predictor
from poc.serving.problems import FieldError
from poc.serving.questions import prediction_request
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.model.contributions import Contributions
    from poc.model.scoring import Scorer


def rival_of(source_name: str, settings: Settings) -> Rival:
    """Give the way that a server over the source of that name does not take: Feast's, or direct reads."""

    def opens_feast() -> FeatureSource:
        from poc.retrieval.feast_source import open_feast_source

        return open_feast_source(settings)

    def opens_direct() -> FeatureSource:
        from poc.retrieval.direct_source import open_direct_source

        return open_direct_source(settings)

    return Rival("feast", opens_feast) if source_name == "direct" else Rival("direct", opens_direct)


def console_router(
    predictor: Predictor,
    features: "Kept[FeatureSource]",
    model: "Kept[Scorer]",
    definitions: FeatureSet,
    source_name: str,
    rival: Rival,
) -> APIRouter:
    """Make the page's routes.

    Args:
        predictor: judges.
        features: the server's own source.
        model: the served model.
        definitions: the served features.
        source_name: the source's `name`.
        rival: the way that it races against; the caller closes it.
    """
    router = APIRouter(include_in_schema=False)
    asking = APIRouter(prefix="/console", include_in_schema=False, route_class=JsonRoute)
    samples = Samples(definitions, features, model)
    race = Race(source_name, features, rival)
    about = about_answer(definitions, (source_name, rival.name))
    body_model = prediction_request(definitions)

    @router.get("/console/about")
    async def tell() -> Response:
        return _json(about)

    @router.get("/console/examples")
    async def examples() -> Response:
        return _json(examples_answer(await samples.examples()))

    @asking.post("/explain")
    async def explain(
        request: Request,
        body: body_model = Body(),  # type: ignore[valid-type]  # noqa: B008
    ) -> Response:
        asked: Any = body
        judged = await predictor.judge([asked.transaction_id], asked.overrides.values(), arrived(request))
        outcome = judged.outcomes[0]
        if isinstance(outcome, PocError):
            raise outcome
        found = await run_in_threadpool(_contributions, judged, outcome)
        return _json(explanation(prediction_answer(outcome, judged, source_name), found))

    @asking.post("/race")
    async def run(request: Request, body: RaceRequest) -> Response:
        ids = await samples.ids() or body.transaction_ids
        if not ids:
            return invalid_request(
                [FieldError(field="transaction_ids", message="Look a transaction up first.")]
            )
        return _json(race_answer(await race.run(ids, body.reads)))

    router.include_router(files_router())
    router.include_router(asking)
    return router


def _contributions(judged: Judged, judgement: Judgement) -> "Contributions | NotExplainable":
    from poc.model.contributions import contributions

    try:
        return contributions(judged.model, judgement.features)
    except NotExplainable as error:
        return error


def _json(answer: Answer) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
