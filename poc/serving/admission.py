"""How many requests a process has in hand at a time: one more is sent away at once, as that costs little."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from poc.errors import Overloaded
from poc.serving.metrics import Metrics
from poc.serving.problems import problem_of, problem_type, respond, retry_headers


class Admission:
    """Lets in what is posted, and so asks for a judgement, up to a number of requests at a time.

    It stands before the request is read: on a busy loop most of the time goes by between the steps of many
    requests, and what is counted only when it is judged has waited already.

    Args:
        app: what is behind it.
        most: requests at a time: what waits longer would come too late.
        metrics: count what was sent away.
    """

    def __init__(self, app: ASGIApp, most: int, metrics: Metrics) -> None:
        self._app, self._most, self._metrics = app, most, metrics
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 503."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._most:
            error = Overloaded(self._most)
            kind = problem_type(error)
            self._metrics.count(kind.outcome)
            await respond(Request(scope), problem_of(error), retry_headers(kind))(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
