"""The OpenAPI document of a server: /predict's bodies follow the features that are served."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from poc.serving.answers import prediction_models
from poc.serving.asked import Asked
from poc.serving.questions import Questions, example_keys, example_overrides

_COMPONENTS = "#/components/schemas/{model}"


def document(app: FastAPI, asked: Asked) -> None:
    """Let `app` document itself by what is served when it is asked for its document."""
    made: list[tuple[Questions, dict[str, Any]]] = []

    def openapi() -> dict[str, Any]:
        questions = asked.questions()
        if not made or made[0][0] is not questions:
            made[:] = [(questions, _document(app, questions))]
        return made[0][1]

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, questions: Questions) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    one, several = prediction_models(questions.served)
    taken: JsonSchemaMode = "validation"
    given: JsonSchemaMode = "serialization"
    references, definitions = models_json_schema(
        [(questions.prediction, taken), (questions.batch, taken), (one, given), (several, given)],
        ref_template=_COMPONENTS,
    )
    found.setdefault("components", {}).setdefault("schemas", {}).update(definitions.get("$defs", {}))
    for path, body, answer, examples in (
        ("/predict", (questions.prediction, taken), (one, given), _examples(questions)),
        ("/predict/batch", (questions.batch, taken), (several, given), None),
    ):
        operation = found["paths"][path]["post"]
        content: dict[str, Any] = {"schema": references[body]}
        if examples is not None:
            content["examples"] = examples
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
        operation["responses"]["200"]["content"] = {"application/json": {"schema": references[answer]}}
    return found


def _examples(questions: Questions) -> dict[str, Any]:
    keys = example_keys(questions.served)
    return {
        "stored": {"summary": "By its stored features", "value": keys},
        "what if": {
            "summary": "With some features replaced",
            "value": {**keys, "overrides": example_overrides(questions.served)},
        },
    }
