"""What the predictor refuses, without HTTP."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from feast.types import Array, FeastType, Float64, Int64, String

from poc.errors import AnswerTooLate, CassandraUnavailable, ModelMismatch, PocError
from poc.model.scoring import Scorer
from poc.serving.metrics import Metrics
from poc.serving.prediction import Judged, Judgement, Predictor
from poc.serving.resources import Resource

Make = Callable[..., Predictor]


@pytest.fixture
def make(source: object, scorer: Scorer) -> Iterator[Make]:
    started: list[Resource] = []

    def predictor(model: Scorer = scorer) -> Predictor:
        resources = [
            Resource("features", lambda: source, lambda value: value),
            Resource("model", lambda: model, lambda m: m),
        ]
        for item in resources:
            item.start()
            item.wait_until_tried(5)
        started.extend(resources)
        return Predictor(*resources, Metrics("memory"), refuse_stale=False)

    yield predictor
    for item in started:
        item.stop()


def judge(predictor: Predictor, ids: Sequence[str], **overrides: object) -> Judged:
    return asyncio.run(predictor.judge([(item,) for item in ids], overrides, time.monotonic()))


def test_model_that_wants_more_than_there_is_is_named(make: Make, scorer: Scorer) -> None:
    wider = replace(scorer, inputs=(*scorer.inputs, "distance_km"))
    with pytest.raises(ModelMismatch, match="fraud_detection 1 needs distance_km"):
        judge(make(wider), ["12345"])


@pytest.mark.parametrize(
    ("name", "dtype"), [("merchant_category", Int64), ("amount", String), ("amount", Array(Float64))]
)
def test_model_that_was_trained_on_another_type_is_named_and_nothing_is_scored(
    make: Make, scorer: Scorer, source: Any, name: str, dtype: FeastType
) -> None:
    [view] = source.served.views
    features = tuple(
        replace(item, dtype=dtype, tags={}) if item.name == name else item for item in view.features
    )
    source.served = replace(source.served, views=(replace(view, features=features),))
    with pytest.raises(ModelMismatch, match=f"fraud_detection 1 needs {name}, which"):
        judge(make(), ["12345"])


def test_probability_at_the_threshold_is_fraud(make: Make, scorer: Scorer, source: object) -> None:
    probability = scorer.score([source.held["67890"].values])[0]
    level = replace(scorer, threshold=probability)
    [judgement] = judge(make(level), ["67890"]).outcomes
    assert isinstance(judgement, Judgement)
    assert judgement.is_fraud


def test_only_unknown_transactions_need_no_model_inputs(make: Make) -> None:
    assert len(judge(make(), ["nobody", "no one"]).outcomes) == 2


def test_after_an_outage_the_next_request_is_refused_without_a_read(make: Make, source: object) -> None:
    predictor = make()
    source.failure = CassandraUnavailable("127.0.0.1:9042", "timed out")
    for _ in range(2):
        with pytest.raises(CassandraUnavailable):
            judge(predictor, ["12345"])
    assert source.reads == []


def test_late_read_of_a_store_that_answers_others_condemns_nothing(make: Make, source: object) -> None:
    predictor = make()

    async def judge_late() -> None:
        answered = asyncio.Event()

        async def late() -> None:
            await answered.wait()
            raise AnswerTooLate("127.0.0.1:9042", 1.0)

        async def at_once() -> None:
            return None

        source.check = late
        first = asyncio.create_task(predictor.judge([("12345",)], {}, time.monotonic()))
        await asyncio.sleep(0)
        source.check = at_once
        await predictor.judge([("67890",)], {}, time.monotonic())
        answered.set()
        with pytest.raises(PocError, match=r"gave no answer in 1\.0 s"):
            await first
        await predictor.judge([("12345",)], {}, time.monotonic())

    asyncio.run(judge_late())
