"""How a request's body comes in: as JSON, and not more of it than a valid one can have."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

# 100 ids of 100 characters, each written as a pair of \uXXXX, and what is around them.
MAX_BODY_BYTES = 256 * 1024

USE_JSON = "Send JSON: curl -H 'content-type: application/json' -d '{\"transaction_id\": \"12345\"}' ..."


class JsonRoute(APIRoute):
    """A route that takes bounded JSON bodies only, and notes when a request came in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the checks before FastAPI's own handler."""
        handler = super().get_route_handler()

        async def checked(request: Request) -> Response:
            request.state.arrived = time.monotonic()
            _require_json(request.headers.get("content-type", ""))
            declared = request.headers.get("content-length", "")
            if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
                raise too_large()
            return await handler(Request(request.scope, _bounded(request.receive)))

        return checked


def waited_seconds(request: Request) -> float:
    """Tell how long ago `request` came in: threads may all have been busy since."""
    return time.monotonic() - float(request.state.arrived)


def too_large() -> HTTPException:
    """Make the refusal of a body that is too large."""
    return HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")


def _require_json(content_type: str) -> None:
    media_type = content_type.split(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise HTTPException(415, f"The body's content type is {media_type or 'not given'}. {USE_JSON}")


def _bounded(receive: Receive) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise too_large()
        return message

    return bounded
