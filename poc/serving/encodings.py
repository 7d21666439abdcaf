"""Bodies come as they are: one that is compressed is refused, by all servers and with the same words."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from poc.serving.problems import ProblemType, problem, respond

WAY_OUT = "Send the body as it is, without Content-Encoding."
COMPRESSED = ProblemType(415, "unsupported-media-type", "Unsupported Media Type", "invalid")
# RFC 9110, 15.5.16: it tells a client that it is the encoding.
ACCEPTED = {"Accept-Encoding": "identity"}


def require_plain(headers: Headers) -> None:
    """Raise an `HTTPException` where `headers` say that the body is encoded."""
    said = ", ".join(headers.getlist("content-encoding"))
    if any(name.strip().lower() not in ("", "identity") for name in said.split(",")):
        raise HTTPException(415, f"The body's encoding is {said}. {WAY_OUT}", ACCEPTED)


class PlainBodies:
    """Refuses encoded bodies for an app that would read one as if it were none.

    Args:
        app: what is behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do so."""
        if scope["type"] == "http":
            try:
                require_plain(Headers(scope=scope))
            except HTTPException as error:
                refused = problem(COMPRESSED, error.detail, WAY_OUT)
                await respond(Request(scope), refused, error.headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)
