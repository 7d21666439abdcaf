import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from poc.definitions import ServedFeatures
from poc.model.scoring import Scorer
from poc.serving.app import create_app
from poc.serving.resources import model_resource
from poc.settings import Settings


def explain(client: TestClient, transaction_id: str, **overrides: object) -> dict[str, object]:
    body = {"transaction_id": transaction_id, "overrides": overrides}
    answer = client.post("/console/explain", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def timeless(prediction: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in prediction.items() if name not in ("latency_ms", "age_seconds")}


@pytest.mark.parametrize("transaction_id", ["12345", "67890", "old", "nulls"])
def test_explained_prediction_is_that_of_the_api(client: TestClient, transaction_id: str) -> None:
    predicted = client.post("/predict", json={"transaction_id": transaction_id}).json()
    assert timeless(explain(client, transaction_id)["prediction"]) == timeless(predicted)


def test_contributions_lead_from_the_typical_transaction_to_this_one(
    client: TestClient, scorer: Scorer
) -> None:
    found = explain(client, "12345")
    contributions = found["contributions"]
    assert contributions["typical"] == scorer.typical

    def log_odds(probability: float) -> float:
        return math.log(probability / (1 - probability))

    way = log_odds(found["prediction"]["fraud_probability"]) - log_odds(contributions["typical_probability"])
    assert math.fsum(contributions["log_odds"].values()) == pytest.approx(way, abs=1e-6)
    assert tuple(contributions["log_odds"]) == scorer.inputs


def test_other_values_are_explained_by_themselves(client: TestClient) -> None:
    stored, tried = explain(client, "12345"), explain(client, "12345", amount=10.5)
    assert tried["prediction"]["overridden"] == ["amount"]
    assert tried["contributions"]["log_odds"]["amount"] < stored["contributions"]["log_odds"]["amount"]


def test_model_without_a_typical_transaction_predicts_and_says_why_there_is_no_more(
    serving_settings: Settings, source: object, scorer: Scorer, start: Callable[[FastAPI], TestClient]
) -> None:
    old = replace(scorer, typical=None)
    model = model_resource(serving_settings, lambda *_: old)
    with start(create_app(serving_settings, lambda _: source, source_name="memory", model=model)) as client:
        found = explain(client, "12345")
    assert found["prediction"]["is_fraud"] is True
    assert found["contributions"] is None
    assert "train_fraud_model.py" in found["unexplained"]["way_out"]


def test_unknown_transaction_is_the_apis_404(client: TestClient) -> None:
    answer = client.post("/console/explain", json={"transaction_id": "nobody"})
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/unknown-transaction"


def test_value_that_is_not_allowed_is_named(client: TestClient) -> None:
    body = {"transaction_id": "12345", "overrides": {"transaction_hour": 24}}
    answer = client.post("/console/explain", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "overrides.transaction_hour"


def test_look_up_counts_as_the_prediction_that_it_is(client: TestClient) -> None:
    def counted() -> str:
        lines = client.get("/metrics").text.splitlines()
        return next(line for line in lines if line.startswith("predictions_total") and '"fraud"' in line)

    before = counted()
    explain(client, "12345")
    assert float(counted().split()[-1]) == float(before.split()[-1]) + 1


def test_about_tells_how_each_feature_can_be_changed(
    client: TestClient, served_definitions: ServedFeatures
) -> None:
    about = client.get("/console/about").json()
    assert tuple(feature["name"] for feature in about["features"]) == served_definitions.names
    kinds = {feature["name"]: feature["kind"] for feature in about["features"]}
    assert kinds["amount"] == "number"
    assert kinds["transaction_hour"] == "whole"
    assert kinds["foreign_transaction"] == "flag"
    assert kinds["merchant_category"] == "choice"
    hour = next(feature for feature in about["features"] if feature["name"] == "transaction_hour")
    assert (hour["minimum"], hour["maximum"]) == (0, 23)
    assert about["ttl_seconds"] == served_definitions.views[0].definitions.ttl.total_seconds()
    assert about["keys"] == [{"name": "transaction_id", "kind": "text"}]
    assert about["rows"] == "transaction_ids"
    assert about["ways"] == [
        {"name": "memory", "title": "memory"},
        {"name": "direct", "title": "Direct reads"},
    ]
