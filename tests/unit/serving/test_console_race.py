import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from poc.definitions import ServedFeatures
from poc.errors import CassandraUnavailable, FeaturesNotMaterialized
from poc.retrieval.source import EntityFeatures, EntityKey
from poc.serving.console.routes import MOST_READS, WARM_UP_READS, Race, race_of
from poc.settings import Settings

IDS = ["12345", "67890"]


@pytest.fixture
def rival_source(source: Any, served_definitions: ServedFeatures) -> Any:
    """Another source that holds the same."""
    return type(source)(served_definitions, list(source.held.values()))


@pytest.fixture
def opened() -> list[int]:
    """One entry for each time that the rival was opened."""
    return []


@pytest.fixture
def app(
    make_app: Callable[[], FastAPI],
    rival_source: Any,
    opened: list[int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> FastAPI:
    def opens() -> Any:
        opened.append(1)
        if rival_source.failure is not None:
            raise rival_source.failure
        return rival_source

    def race_of(name: str, settings: Settings, features: Any) -> Race:
        return Race((name, "rival"), features, opens)

    monkeypatch.setattr("poc.serving.app.race_of", race_of)
    # No Parquet there: the ids are those that the request names.
    monkeypatch.chdir(tmp_path)
    return make_app()


@pytest.fixture
def racing(app: FastAPI, start: Callable[[FastAPI], TestClient]) -> Iterator[TestClient]:
    with start(app) as client:
        yield client


def race(client: TestClient, reads: int = 10, ids: Sequence[str] = IDS) -> Any:
    return client.post("/console/race", json={"reads": reads, "transaction_ids": list(ids)})


def test_each_way_is_read_as_often_as_was_asked(racing: TestClient) -> None:
    found = race(racing, 30).json()
    assert {name: len(times) for name, times in found["latencies_ms"].items()} == {"memory": 30, "rival": 30}
    assert min(min(times) for times in found["latencies_ms"].values()) > 0


def test_both_ways_read_the_same_ids_and_warm_up_is_not_counted(
    racing: TestClient, source: Any, rival_source: Any
) -> None:
    assert len(race(racing, 40).json()["latencies_ms"]["memory"]) == 40
    assert source.reads == rival_source.reads
    assert len(source.reads) == 40 + WARM_UP_READS
    assert {item for [item] in source.reads} == set(IDS)


def test_ways_take_turns_at_being_first(racing: TestClient, source: Any, rival_source: Any) -> None:
    order: list[str] = []
    for name, item in (("own", source), ("rival", rival_source)):
        monkey = item.read
        item.read = lambda keys, name=name, read=monkey: (order.append(name), read(keys))[1]
    race(racing, 50)
    pairs = {tuple(order[place : place + 2]) for place in range(0, len(order), 2)}
    assert pairs == {("own", "rival"), ("rival", "own")}


def test_reads_that_differ_are_counted(racing: TestClient, rival_source: Any) -> None:
    assert race(racing, 10).json()["differing"] == 0
    known: EntityFeatures = rival_source.held["67890"]
    rival_source.held["67890"] = replace(known, values={**known.values, "amount": 1.0})
    assert race(racing, 10, ["67890"]).json()["differing"] == 10
    del rival_source.held["67890"]
    assert race(racing, 10, ["67890"]).json()["differing"] == 10


def test_rival_is_opened_by_the_first_race_and_closed_with_the_server(
    app: FastAPI, start: Callable[[FastAPI], TestClient], opened: list[int], rival_source: Any
) -> None:
    with start(app) as client:
        assert opened == []
        race(client)
        race(client)
        assert opened == [1]
        assert rival_source.closed is False
    assert rival_source.closed is True


def test_rival_that_cannot_be_opened_is_a_problem_with_a_way_out_and_is_tried_again(
    racing: TestClient, rival_source: Any, opened: list[int]
) -> None:
    rival_source.failure = FeaturesNotMaterialized("ml_features.transactions")
    refused = race(racing)
    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/features-not-materialized"
    assert "feast_materialize.py" in refused.json()["way_out"]
    rival_source.failure = None
    assert race(racing).status_code == 200
    assert opened == [1, 1]


def test_failing_race_takes_nothing_from_predictions(racing: TestClient, rival_source: Any) -> None:
    race(racing)
    rival_source.failure = CassandraUnavailable("127.0.0.1:9042", "no answer")
    assert race(racing).status_code == 503
    assert racing.post("/predict", json={"transaction_id": "12345"}).status_code == 200


def test_second_race_at_once_is_refused_and_predictions_go_on(racing: TestClient, rival_source: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()
    read = rival_source.read

    async def waits(keys: Sequence[EntityKey]) -> Any:
        begun.set()
        await asyncio.to_thread(go_on.wait, 10)
        return await read(keys)

    rival_source.read = waits
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(race(racing)))
    first.start()
    try:
        assert begun.wait(10)
        second = race(racing)
        predicted = racing.post("/predict", json={"transaction_id": "12345"})
    finally:
        go_on.set()
        first.join()
    assert second.status_code == 409
    assert second.headers["retry-after"] == "1"
    assert second.json()["type"] == "/problems/race-under-way"
    assert predicted.status_code == 200
    assert answers[0].status_code == 200
    assert race(racing).status_code == 200


@pytest.mark.parametrize("reads", [0, -1, MOST_READS + 1, 10**9, 1.5, "10", None])
def test_number_of_reads_is_bounded(racing: TestClient, source: Any, reads: object) -> None:
    answer = racing.post("/console/race", json={"reads": reads, "transaction_ids": IDS})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "reads"
    assert source.reads == []


def test_race_without_any_id_says_where_to_get_one(racing: TestClient) -> None:
    answer = race(racing, 10, [])
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "transaction_ids", "message": "Look a transaction up first."}
    ]


@pytest.mark.parametrize(
    ("own", "other"), [("feast", "direct"), ("direct", "feast"), ("feature-server", "direct")]
)
def test_rival_is_the_way_that_the_server_does_not_take(
    serving_settings: Settings, own: str, other: str
) -> None:
    assert race_of(own, serving_settings, None).names == (own, other)
