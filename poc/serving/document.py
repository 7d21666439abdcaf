"""A server's OpenAPI document: what can be asked now, and how every answer comes, errors too."""

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from poc.serving.answers import prediction_models
from poc.serving.problems import MEDIA_TYPE
from poc.serving.questions import Asked, Questions, example_keys, example_overrides
from poc.serving.tensors import InferenceRequest

JSON = "application/json"
PROBLEMS = tuple(f"#/components/schemas/{name}" for name in ("Problem", "InvalidRequest"))
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


REFUSALS = {401: "No known API key.", 429: "More requests a second than one client may make."}


def document(app: FastAPI, asked: Asked, refusals: Collection[int], *, open_paths: frozenset[str]) -> None:
    """Let `app` document itself by what is served when it is asked for its document.

    Args:
        refusals: of `REFUSALS`, those that requests meet before anything looks at them.
        open_paths: those that never meet them.
    """
    made: list[tuple[Questions, dict[str, Any]]] = []

    def openapi() -> dict[str, Any]:
        questions = asked.questions()
        if not made or made[0][0] is not questions:
            found = _document(app, questions)
            _refuse_first(found, refusals, open_paths)
            made[:] = [(questions, found)]
        return made[0][1]

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, questions: Questions) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    one, several = prediction_models(questions.served)
    taken: JsonSchemaMode = "validation"
    given: JsonSchemaMode = "serialization"
    references, definitions = models_json_schema(
        [
            (questions.prediction, taken),
            (questions.batch, taken),
            (InferenceRequest, taken),
            (one, given),
            (several, given),
        ],
        ref_template="#/components/schemas/{model}",
    )
    found.setdefault("components", {}).setdefault("schemas", {}).update(definitions.get("$defs", {}))
    for path, operations in found["paths"].items():
        for operation in operations.values():
            for answer in operation["responses"].values():
                _name_media_type(answer)
            if path.endswith("/infer"):
                content = {JSON: {"schema": references[InferenceRequest, taken]}}
                operation["requestBody"] = {"required": True, "content": content}
    for path, body, answer in (
        ("/predict", questions.prediction, one),
        ("/predict/batch", questions.batch, several),
    ):
        operation = found["paths"][path]["post"]
        content = {JSON: {"schema": references[body, taken]}}
        operation["requestBody"] = {"required": True, "content": content}
        operation["responses"]["200"]["content"] = {JSON: {"schema": references[answer, given]}}
    keys = example_keys(questions.served)
    what_if = {**keys, "overrides": example_overrides(questions.served)}
    found["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]["examples"] = {
        "stored": {"summary": "By its stored features", "value": keys},
        "what if": {"summary": "With some features replaced", "value": what_if},
    }
    return found


def _name_media_type(answer: dict[str, Any]) -> None:
    """Say of an answer that is a problem that it comes as one."""
    content = answer.get("content", {})
    if content.get(JSON, {}).get("schema", {}).get("$ref") in PROBLEMS:
        content[MEDIA_TYPE] = content.pop(JSON)


def _refuse_first(found: dict[str, Any], refusals: Collection[int], open_paths: frozenset[str]) -> None:
    """Say which requests need a key or are counted, and how the refusals come."""
    if 401 in refusals:
        found["components"]["securitySchemes"] = SCHEMES
    problem = {MEDIA_TYPE: {"schema": {"$ref": PROBLEMS[0]}}}
    error = {JSON: {"schema": {"$ref": "#/components/schemas/InferenceError"}}}
    for path, operations in found["paths"].items():
        if path in open_paths:
            continue
        for operation in operations.values():
            if 401 in refusals:
                operation["security"] = [{name: []} for name in SCHEMES]
            content = error if f"{path}/".startswith("/v2/") else problem
            for status in refusals:
                answer = {"description": REFUSALS[status], "content": content}
                operation["responses"][str(status)] = answer
