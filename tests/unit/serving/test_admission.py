import asyncio

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from poc.serving.admission import Admission
from poc.serving.metrics import Metrics


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
    assert [answer.status_code for answer in refused] == [503] * 3
    assert [answer.headers["retry-after"] for answer in refused] == ["1"] * 3
    assert all("The server has 2 requests in hand already" in answer.text for answer in refused)
    assert after.status_code == 200
    assert b'predictions_total{outcome="overloaded",source="memory"} 3.0' in metrics.text()


def test_probes_and_pages_are_answered_however_many_there_are() -> None:
    answers, _ = asyncio.run(crowd("/ready", "GET", 5, Metrics("memory")))
    assert [answer.status_code for answer in answers] == [200] * 5
