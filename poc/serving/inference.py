"""The Open Inference Protocol (version 2), by which KServe, Seldon Core and Triton's clients ask models."""

import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from poc.errors import PocError, UnknownEntity
from poc.serving import problems, tensors
from poc.serving.prediction import Judged, Predictor
from poc.serving.request_bodies import bounded_body
from poc.serving.request_models import CurrentRequests
from poc.serving.resources import ModelResource
from poc.serving.response_models import ResponseModel
from poc.serving.routes import Readiness

PROJECT = "feast-cassandra-poc"
EXTENSIONS = ["binary_tensor_data"]


class InferenceError(BaseModel):
    """An error, as the protocol has it."""

    error: str = Field(description="What happened, and what to do about it.")
    name: str | None = Field(None, description="The model that is not ready.")
    ready: bool | None = Field(None, description="False, where readiness was asked for.")


class OutputTensor(BaseModel):
    """One output: `data`, or as many bytes after the JSON as its parameters say."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float | bool] | None = None
    parameters: dict[str, Any] | None = None


class InferenceAnswer(ResponseModel):
    """The answer to an inference request, in the shape of its inputs."""

    model_name: str
    model_version: str
    id: str | None = Field(None, description="The request's own.")
    parameters: dict[str, Any] = Field(
        description="`threshold`; `stale`: how many were judged by stale features."
    )
    outputs: list[OutputTensor]


_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_Answers: TypeAlias = dict[int | str, dict[str, Any]]
_NOT_READY: _Answers = {503: {"model": InferenceError, "description": "Nothing can be judged now."}}
_OF_A_MODEL: _Answers = _NOT_READY | {
    404: {"model": InferenceError, "description": "There is no such model, or version of it."}
}
_OF_INPUTS: _Answers = _OF_A_MODEL | {
    200: {"model": InferenceAnswer, "content": _BINARY},
    400: {"model": InferenceError, "description": "The request does not fit, or a transaction is unknown."},
    413: {"model": InferenceError, "description": "The body is larger than any that fits."},
    415: {"model": InferenceError, "description": "The body is compressed."},
}


def inference_router(
    predictor: Predictor,
    model: ModelResource,
    readiness: Readiness,
    current: CurrentRequests,
    model_name: str,
) -> APIRouter:
    """Make the protocol's routes. They judge as /predict does."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol"])

    @router.get("")
    async def server() -> dict[str, Any]:
        """Tell what this server is."""
        return {"name": PROJECT, "version": project_version(), "extensions": EXTENSIONS}

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """Tell that the process answers."""
        return {"live": True}

    @router.get("/health/ready", responses=_NOT_READY)
    async def ready() -> Response:
        """Tell whether predictions can be asked for now: 200, or 503 and why not."""
        return await _ready(readiness)

    async def metadata(request: Request) -> dict[str, Any]:
        """Tell the model's version, what goes in and what comes out."""
        _require(request, model_name, model)
        return {
            "name": model_name,
            "versions": [model.get().version],
            "platform": "feast_onnx",
            "inputs": _tensors(tensors.inputs(current.served.join_keys)),
            "outputs": _tensors(tensors.OUTPUTS),
        }

    async def model_ready(request: Request) -> Response:
        """Tell whether the model can judge now."""
        _require(request, model_name, model)
        return await _ready(readiness, name=model_name)

    async def infer(request: Request) -> Response:
        """Judge up to 100 transactions; one that cannot be judged fails the request."""
        arrived = time.monotonic()
        _require(request, model_name, model)
        content, size = await bounded_body(request), request.headers.get(tensors.HEADER_LENGTH)
        request_models = current.models()
        try:
            question = tensors.read_question(content, size, request_models.served.join_keys)
            # They are held to what /predict/batch takes.
            names = request_models.served.key_names
            single = len(names) == 1
            rows = [key[0] if single else dict(zip(names, key, strict=True)) for key in question.keys]
            keys = request_models.batch.model_validate({request_models.rows: rows}).keys()
            given = request_models.overrides.model_validate_json(question.overrides)
        except tensors.RefusedTensors as error:
            raise HTTPException(400, str(error)) from None
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            fields = problems.field_errors(found, request_models.served.names)
            raise HTTPException(400, problems.worded(fields)) from None
        judged = await predictor.judge(keys, given.values(), arrived)
        return _answer(question, judged)

    schemas = {"model": {"type": "string", "enum": [model_name]}, "version": {"type": "string"}}
    for path, names in (
        ("/models/{model}", ["model"]),
        ("/models/{model}/versions/{version}", ["model", "version"]),
    ):
        named = [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]
        for part, endpoint, method, answers in (
            ("", metadata, "GET", _OF_A_MODEL),
            ("/ready", model_ready, "GET", _OF_A_MODEL),
            ("/infer", infer, "POST", _OF_INPUTS),
        ):
            extra = {"parameters": named}
            router.add_api_route(
                path + part, endpoint, methods=[method], responses=answers, openapi_extra=extra
            )
    return router


def project_version() -> str:
    """Return the version of this project, or 0 where it runs without being installed."""
    try:
        return version(PROJECT)
    except PackageNotFoundError:
        return "0"


def _require(request: Request, name: str, model: ModelResource) -> None:
    """Refuse a model or a version that is not the served one."""
    asked, asked_version = request.path_params["model"], request.path_params.get("version")
    if asked != name:
        raise HTTPException(404, f"There is no model {asked!r}, but {name!r}")
    if asked_version is not None and asked_version != (served := model.get().version):
        raise HTTPException(404, f"Version {asked_version!r} of {name} is not served, but {served!r}")


async def _ready(readiness: Readiness, **named: str) -> Response:
    obstacle = await readiness.obstacle()
    if obstacle is None:
        return JSONResponse({**named, "ready": True})
    headers = problems.retry_headers(problems.problem_type(obstacle))
    return problems.inference_error(problems.problem_of(obstacle), headers, {**named, "ready": False})


def _answer(question: tensors.Question, judged: Judged) -> Response:
    failed = [outcome for outcome in judged.outcomes if isinstance(outcome, PocError)]
    if failed:
        # A 404 would say of the model what is meant of a transaction.
        unknown = any(isinstance(item, UnknownEntity) for item in failed)
        body = problems.problem_of(failed[0])
        detail = "; ".join(item.what for item in failed[:3])
        said = {"detail": detail, "status": 400 if unknown else body.status}
        return problems.inference_error(body.model_copy(update=said))
    content, head_size = tensors.write_answer(question, judged)
    if head_size is None:
        return Response(content, media_type="application/json")
    headers = {tensors.HEADER_LENGTH: str(head_size)}
    return Response(content, media_type="application/octet-stream", headers=headers)


def _tensors(types: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in types.items()]
