"""How many requests a second a client may make."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from poc.serving import edge
from poc.serving.edge import Rates

KEY, OTHER = "k" * 32, "o" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_second_s_worth_is_admitted_at_once_and_then_one_each_time_that_one_is_due() -> None:
    clock = Clock()
    limit = Rates(2, clock)
    assert [limit.admit(b"a") for _ in range(3)] == [True, True, False]
    clock.now += 0.5
    assert [limit.admit(b"a") for _ in range(2)] == [True, False]
    clock.now += 60
    assert [limit.admit(b"a") for _ in range(3)] == [True, True, False]


def test_less_than_one_a_second_admits_one_after_that_time() -> None:
    clock = Clock()
    limit = Rates(0.1, clock)
    assert [limit.admit(b"a"), limit.admit(b"a")] == [True, False]
    clock.now += 10.1
    assert limit.admit(b"a")


def test_each_client_has_its_own() -> None:
    limit = Rates(1, Clock())
    assert [limit.admit(b"a"), limit.admit(b"b"), limit.admit(b"a")] == [True, True, False]


def test_clients_that_are_silent_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "MOST_CLIENTS", 100)
    clock = Clock()
    limit = Rates(10, clock)
    for number in range(1000):
        clock.now += 0.1
        limit.admit(str(number).encode())
    assert len(limit._left) <= 100


@pytest.fixture
def limited(make_app: Callable, start: Callable) -> Iterator[TestClient]:
    app = make_app(api_keys=SecretStr(f"{OTHER},{KEY}"), requests_per_second=0.01)
    with start(app) as client:
        yield client


def test_request_past_the_rate_is_told_when_to_ask_again(limited: TestClient) -> None:
    def predict(key: str) -> object:
        return limited.post("/predict", json={"transaction_id": "12345"}, headers={"X-API-Key": key})

    assert predict(KEY).status_code == 200
    refused = predict(KEY)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["type"] == "/problems/too-many-requests"
    assert "REQUESTS_PER_SECOND" in refused.json()["way_out"]
    assert refused.headers["x-frame-options"]
    assert predict(OTHER).status_code == 200
    assert [limited.get("/live").status_code for _ in range(3)] == [200] * 3


def test_document_says_so_where_it_is_so(limited: TestClient, client: TestClient) -> None:
    headers = {"X-API-Key": KEY}
    answers = limited.get("/openapi.json", headers=headers).json()["paths"]["/predict"]["post"]["responses"]
    assert "429" in answers
    assert "429" not in client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
