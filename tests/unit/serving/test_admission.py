import asyncio

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from poc.serving.metrics import Metrics
from poc.serving.request_bodies import Admission

PREDICTION = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
BEGUN = {"type": "http.request", "body": b"{", "more_body": True}


class Busy:
    """An app whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.free, self.in_hand = asyncio.Event(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.in_hand += 1
        await self.free.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def crowd(
    path: str, method: str, size: int, metrics: Metrics
) -> tuple[list[httpx.Response], httpx.Response]:
    """Ask at once of an app that takes two at a time; then once more, when all is answered."""
    busy = Busy()
    transport = httpx.ASGITransport(Admission(busy, 2, metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        asked = [asyncio.create_task(client.request(method, path)) for _ in range(size)]
        while busy.in_hand + sum(task.done() for task in asked) < size:
            await asyncio.sleep(0)
        busy.free.set()
        return list(await asyncio.gather(*asked)), await client.request(method, path)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v2/models/fraud/infer", "/console/explain"])
def test_more_requests_than_are_taken_at_a_time_are_sent_away_until_others_are_answered(path: str) -> None:
    metrics = Metrics("memory")
    answers, after = asyncio.run(crowd(path, "POST", 5, metrics))
    refused = [answer for answer in answers if answer.status_code != 200]
    if path.startswith("/v2/"):
        assert all(answer.json().keys() == {"error"} for answer in refused)
    else:
        assert {answer.json()["type"] for answer in refused} == {"/problems/overloaded"}
    assert [answer.status_code for answer in refused] == [503] * 3
    assert [answer.headers["retry-after"] for answer in refused] == ["1"] * 3
    assert all("The server has 2 requests in hand already" in answer.text for answer in refused)
    assert after.status_code == 200
    predictions = 0.0 if path.startswith("/console") else 3.0
    counted = f'predictions_total{{outcome="overloaded",source="memory"}} {predictions}'
    assert counted.encode() in metrics.text()


def test_request_whose_body_is_on_its_way_takes_no_place() -> None:
    busy = Busy()
    admission = Admission(busy, 2, Metrics("memory"))

    async def slow_and_quick() -> int:
        slow = [asyncio.create_task(admission(PREDICTION, receiving(BEGUN), ignore)) for _ in range(5)]
        await asyncio.sleep(0.01)
        busy.free.set()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(admission), base_url="http://server"
        ) as client:
            answer = await client.post("/predict")
        for task in slow:
            task.cancel()
        return answer.status_code

    assert asyncio.run(slow_and_quick()) == 200


def receiving(*messages: Message) -> Receive:
    """What receives those messages, and then waits."""
    waiting = iter(messages)

    async def receive() -> Message:
        message = next(waiting, None)
        return await asyncio.Future() if message is None else message

    return receive


async def ignore(message: Message) -> None:
    return None


def test_app_receives_all_of_a_body_that_came_in_parts() -> None:
    parts = [{"type": "http.request", "body": part, "more_body": part != b"c"} for part in (b"a", b"b", b"c")]
    came: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while len(came) < len(parts):
            came.append((await receive())["body"])

    asyncio.run(Admission(app, 1, Metrics("memory"))(PREDICTION, receiving(*parts), ignore))
    assert came == [b"a", b"b", b"c"]


def test_probes_and_pages_are_answered_however_many_there_are() -> None:
    answers, _ = asyncio.run(crowd("/ready", "GET", 5, Metrics("memory")))
    assert [answer.status_code for answer in answers] == [200] * 5
