"""How many requests a process has in hand at a time: one more is sent away at once, as that costs little."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poc.errors import Overloaded
from poc.serving.metrics import Metrics
from poc.serving.problems import answer_error, asks_for_prediction, problem_type
from poc.serving.routes import MAX_BODY_BYTES


class Admission:
    """Lets in what is posted, and so asks for a judgement, up to a number of requests at a time.

    It stands before all else is done with a request: on a busy loop most of the time goes by between the
    steps of many, and what is counted only when it is judged has waited already. A request whose body is
    still on its way is not in hand.

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
        messages = await _whole(receive)
        if self._under_way >= self._most:
            request, error = Request(scope), Overloaded(self._most)
            if asks_for_prediction(request):
                self._metrics.count(problem_type(error).outcome)
            await answer_error(request, error)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, _again(messages, receive), send)
        finally:
            self._under_way -= 1


async def _whole(receive: Receive) -> list[Message]:
    """Receive a request to the end of its body, or to more of it than is ever taken."""
    messages, size = list[Message](), 0
    while size <= MAX_BODY_BYTES:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
        if not messages[-1].get("more_body", False):
            break
    return messages


def _again(messages: Sequence[Message], receive: Receive) -> Receive:
    """Make what receives `messages` once more, and then what comes after them."""
    waiting = iter(messages)

    async def receive_again() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return receive_again
