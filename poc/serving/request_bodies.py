"""How requests come in: so many at a time, their bodies as they are, no larger than a valid one can be."""

import codecs
import re
from collections import deque
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poc.errors import Overloaded
from poc.serving.metrics import Metrics
from poc.serving.problems import ProblemType, answer_error, asks_for_prediction, problem_type, respond

# Windows PowerShell begins a text with it; RFC 8259 lets a reader pass it over.
MARK = codecs.BOM_UTF8
# 100 ids of 256 characters, each written as a pair of \uXXXX, and what is around them.
MAX_BODY_BYTES = 512 * 1024
USE_JSON = "Send JSON: curl -H 'content-type: application/json' -d '{\"transaction_id\": \"12345\"}' ..."
JSON_OF_A_KIND = re.compile(r"application/.*\+json", re.DOTALL)
PLAIN_WAY_OUT = "Send the body as it is, without Content-Encoding."
COMPRESSED = ProblemType(415, "unsupported-media-type", "Unsupported Media Type", "invalid")
# RFC 9110, 15.5.16: it tells a client that it is the encoding.
ACCEPTED = {"Accept-Encoding": "identity"}
Body = TypeVar("Body", bound=BaseModel)


class Admission:
    """Lets in what is posted, and so asks for a judgement, up to a number of requests at a time.

    It stands before all else is done with a request: on a busy loop most of the time goes by between the
    steps of many, and what is counted only when it is judged has waited already. A request whose body is
    still on its way is not in hand. More than `most` would wait so long that they come too late.
    """

    def __init__(self, app: ASGIApp, most: int, metrics: Metrics) -> None:
        self._app, self._most, self._metrics = app, most, metrics
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer what is let in."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        receive_again = await _whole(receive)
        if self._under_way >= self._most:
            request, error = Request(scope), Overloaded(self._most)
            if asks_for_prediction(request):
                self._metrics.count(problem_type(error).outcome)
            await answer_error(request, error)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive_again, send)
        finally:
            self._under_way -= 1


async def _whole(receive: Receive) -> Receive:
    """Receive a request to the end of its body, or to more than is ever taken; return what says it again."""
    messages, size = deque[Message](), 0
    while size <= MAX_BODY_BYTES:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
        if not messages[-1].get("more_body", False):
            break

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again


class PlainBodies:
    """Refuses encoded bodies for `app`, which would read one as if it were none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer what is plain."""
        goes_on = self._app
        if scope["type"] == "http":
            try:
                require_plain(Headers(scope=scope))
            except HTTPException as error:
                goes_on = respond(Request(scope), COMPRESSED, error.detail, PLAIN_WAY_OUT, error.headers)
        await goes_on(scope, receive, send)


def require_plain(headers: Headers) -> None:
    """Raise an `HTTPException` where `headers` say that the body is encoded."""
    said = ", ".join(headers.getlist("content-encoding"))
    if any(name.strip().lower() not in ("", "identity") for name in said.split(",")):
        raise HTTPException(415, f"The body's encoding is {said}. {PLAIN_WAY_OUT}", ACCEPTED)


async def read_body(request: Request, model: type[Body]) -> Body:
    """Read the body of `request`, by pydantic at once: no dictionary is made of it first.

    Raises HTTPException where it is no JSON by its content type, or as `bounded_body`; RequestValidationError
    where it does not fit `model`.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not JSON_OF_A_KIND.fullmatch(media_type):
        raise HTTPException(415, f"The body's content type is {media_type or 'not given'}. {USE_JSON}")
    content = await bounded_body(request)
    try:
        return model.model_validate_json(content.removeprefix(MARK))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None


async def bounded_body(request: Request) -> bytes:
    """Read the body of `request`; raise an `HTTPException` if it is encoded, or larger than any valid one."""
    require_plain(request.headers)
    said = request.headers.get("content-length", "")
    # Python reads no number of more than some thousand digits.
    content, size = b"", int(said[:4000]) if said.isascii() and said.isdigit() else 0
    if size <= MAX_BODY_BYTES:
        async for part in request.stream():
            content += part
            size = len(content)
            if size > MAX_BODY_BYTES:
                break
    if size > MAX_BODY_BYTES:
        raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
    return content
