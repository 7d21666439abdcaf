"""A server's OpenAPI document: what can be asked now, and how every answer comes, errors too."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from poc.serving.answers import prediction_models
from poc.serving.problems import MEDIA_TYPE
from poc.serving.questions import Asked, Questions, example_keys, example_overrides
from poc.serving.tensors import InferenceRequest

JSON = "application/json"
SCHEMAS = "#/components/schemas/"
PROBLEMS = tuple({"$ref": f"{SCHEMAS}{name}"} for name in ("Problem", "InvalidRequest"))
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
REFUSALS = {401: "No known API key.", 429: "More requests a second than one client may make."}


def document(app: FastAPI, asked: Asked, refusals: Collection[int], *, open_paths: Collection[str]) -> None:
    """Let `app` document itself by what is served when it is asked for its document.

    Args:
        refusals: of `REFUSALS`, those that requests meet before anything looks at them.
        open_paths: those that never meet them.
    """

    @lru_cache(maxsize=1)
    def made(questions: Questions) -> dict[str, Any]:
        found = _document(app, questions)
        if 401 in refusals:
            found["components"]["securitySchemes"] = SCHEMES
        for path in found["paths"].keys() - open_paths:
            if f"{path}/".startswith("/v2/"):
                content = _content({"$ref": f"{SCHEMAS}InferenceError"})
            else:
                content = _content(PROBLEMS[0], MEDIA_TYPE)
            answers = {str(one): {"description": REFUSALS[one], "content": content} for one in refusals}
            for operation in found["paths"][path].values():
                operation["responses"].update(answers)
                if 401 in refusals:
                    operation["security"] = [{name: []} for name in SCHEMES]
        return found

    app.openapi = lambda: made(asked.questions())  # type: ignore[method-assign]


def _document(app: FastAPI, questions: Questions) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    one, several = prediction_models(questions.served)
    bodies = {"/predict": (questions.prediction, one), "/predict/batch": (questions.batch, several)}
    taken: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in (questions.prediction, questions.batch, InferenceRequest)),
        *((model, "serialization") for model in (one, several)),
    ]
    references, definitions = models_json_schema(taken, ref_template=f"{SCHEMAS}{{model}}")
    found.setdefault("components", {}).setdefault("schemas", {}).update(definitions.get("$defs", {}))
    for path, operations in found["paths"].items():
        for operation in operations.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                # A problem comes as one.
                if content.get(JSON, {}).get("schema") in PROBLEMS:
                    content[MEDIA_TYPE] = content.pop(JSON)
            body, answer = bodies.get(path, (InferenceRequest if path.endswith("/infer") else None, None))
            if body is not None:
                content = _content(references[body, "validation"])
                operation["requestBody"] = {"required": True, "content": content}
            if answer is not None:
                operation["responses"]["200"]["content"] = _content(references[answer, "serialization"])
    keys = example_keys(questions.served)
    what_if = {**keys, "overrides": example_overrides(questions.served)}
    found["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]["examples"] = {
        "stored": {"summary": "By its stored features", "value": keys},
        "what if": {"summary": "With some features replaced", "value": what_if},
    }
    return found


def _content(schema: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    return {media_type: {"schema": schema}}
