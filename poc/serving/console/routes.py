"""The console of one server: its page, and the routes that only the page asks.

They are no part of the API: the page shows with /predict's own words what a person could ask for there.
"""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from poc.errors import NotExplainable, PocError
from poc.retrieval.source import FeatureSource
from poc.serving.answers import json_response, prediction_answer
from poc.serving.asked import Asked
from poc.serving.bodies import PlainRoute, arrived, read_body
from poc.serving.console.answers import about_answer, examples_answer, explanation, race_answer, race_request
from poc.serving.console.files import files_router
from poc.serving.console.race import Race, Rival
from poc.serving.console.samples import Samples
from poc.serving.handlers import invalid_request
from poc.serving.kept import Kept
from poc.serving.prediction import Judged, Judgement, Predictor
from poc.serving.problems import FieldError
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
    asked: Asked,
    source_name: str,
    rival: Rival,
) -> APIRouter:
    """Make the page's routes.

    Args:
        predictor: judges.
        features: the server's own source.
        model: the served model.
        asked: what requests may say.
        source_name: the source's `name`.
        rival: the way that it races against; the caller closes it.
    """
    router = APIRouter(include_in_schema=False, route_class=PlainRoute)
    samples = Samples(asked, features, model)
    race = Race(source_name, features, rival)

    @router.get("/console/about")
    async def tell(request: Request) -> Response:
        return json_response(about_answer(asked.questions(), (source_name, rival.name)))

    @router.get("/console/examples")
    async def examples(request: Request) -> Response:
        return json_response(examples_answer(await samples.examples()))

    @router.post("/console/explain")
    async def explain(request: Request) -> Response:
        body = await read_body(request, asked.questions().prediction)
        judged = await predictor.judge([body.key()], body.overrides.values(), arrived(request))
        outcome = judged.outcomes[0]
        if isinstance(outcome, PocError):
            raise outcome
        found = await run_in_threadpool(_contributions, judged, outcome)
        return json_response(explanation(prediction_answer(outcome, judged, source_name), found))

    @router.post("/console/race")
    async def run(request: Request) -> Response:
        body = await read_body(request, race_request(asked.questions()))
        keys = await samples.keys() or body.keys()
        if not keys:
            field = asked.questions().rows
            return invalid_request([FieldError(field=field, message="Look a transaction up first.")])
        return json_response(race_answer(await race.run(keys, body.reads)))

    router.include_router(files_router())
    return router


def _contributions(judged: Judged, judgement: Judgement) -> "Contributions | NotExplainable":
    from poc.model.contributions import contributions

    try:
        return contributions(judged.model, judgement.features)
    except NotExplainable as error:
        return error
