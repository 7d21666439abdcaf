"""How a request's body comes in: as JSON, and not more of it than a valid one can have."""

import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

# 100 ids of 100 characters, each written as a pair of \uXXXX, and what is around them.
MAX_BODY_BYTES = 256 * 1024

USE_JSON = "Send JSON: curl -H 'content-type: application/json' -d '{\"transaction_id\": \"12345\"}' ..."

Body = TypeVar("Body", bound=BaseModel)


class PlainRoute(APIRoute):
    """A route whose endpoint takes the request and answers with a `Response`, and nothing in between.

    FastAPI would solve dependencies that there are not, which takes a good part of reading the features.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Replace FastAPI's handler."""
        endpoint: Any = self.dependant.call

        async def answer(request: Request) -> Response:
            request.state.arrived = time.monotonic()
            response: Response = await endpoint(request)
            return response

        return answer


def arrived(request: Request) -> float:
    """Return when `request` came in, by `time.monotonic`."""
    return float(request.state.arrived)


async def read_body(request: Request, model: type[Body]) -> Body:
    """Read the body of `request`, by pydantic at once: no dictionary is made of it first.

    Raises:
        HTTPException: it is no JSON by its content type, or larger than a valid one can be.
        RequestValidationError: it does not fit `model`.
    """
    _require_json(request.headers.get("content-type", ""))
    content = await bounded_body(request)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None


def too_large() -> HTTPException:
    """Make the refusal of a body that is too large."""
    return HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")


def _require_json(content_type: str) -> None:
    media_type = content_type.split(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise HTTPException(415, f"The body's content type is {media_type or 'not given'}. {USE_JSON}")


async def bounded_body(request: Request) -> bytes:
    """Read the body of `request`.

    Raises:
        HTTPException: it is larger than a valid one can be.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise too_large()
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise too_large()
    return content
