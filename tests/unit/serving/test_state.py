"""/live, /ready, /health, /model and /metrics tell the truth in every state."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from poc.errors import CassandraUnavailable, FeaturesNotMaterialized, ModelNotFound
from poc.serving.app import create_app
from poc.serving.resources import model_resource

UNAVAILABLE = CassandraUnavailable("127.0.0.1:9042", "timed out")


def sample(client: TestClient, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for item in family.samples:
            if item.name == name and labels.items() <= item.labels.items():
                return item.value
    return None


@pytest.fixture
def app_without_model(serving_settings: object, source: object) -> FastAPI:
    def load(*_: object) -> object:
        raise ModelNotFound("sqlite:///data/mlflow.db", "fraud_detection", "champion")

    model = model_resource(serving_settings, load)
    return create_app(serving_settings, lambda _: source, source_name="memory", model=model)


def test_ready_server_says_so(client: TestClient) -> None:
    assert client.get("/ready").json() == {"status": "ready"}


def test_health_lists_the_components(client: TestClient) -> None:
    answer = client.get("/health").json()
    assert answer["status"] == "ready"
    assert {item["name"]: item["ready"] for item in answer["components"]} == {"features": True, "model": True}


@pytest.mark.parametrize("failure", [UNAVAILABLE, FeaturesNotMaterialized("transaction_features")])
def test_server_that_cannot_read_features_is_not_ready(
    client: TestClient, source: object, failure: Exception
) -> None:
    source.failure = failure
    ready, health = client.get("/ready"), client.get("/health")
    assert (ready.status_code, health.status_code) == (503, 503)
    assert ready.json()["way_out"] == failure.way_out
    assert health.json()["components"][0] == {
        "name": "features",
        "ready": False,
        "detail": failure.what,
        "way_out": failure.way_out,
    }


def test_server_that_cannot_read_features_lives(client: TestClient, source: object) -> None:
    source.failure = UNAVAILABLE
    assert client.get("/live").status_code == 200


def test_no_model_is_503_with_the_command_and_live_stays_200(
    app_without_model: FastAPI, start: Callable
) -> None:
    with start(app_without_model) as client:
        answers = {path: client.get(path) for path in ("/ready", "/model", "/live")}
        predicted = client.post("/predict", json={"transaction_id": "12345"})
    for answer in (answers["/ready"], answers["/model"], predicted):
        assert answer.status_code == 503
        assert "python poc/train_fraud_model.py" in answer.json()["way_out"]
    assert answers["/live"].status_code == 200


def test_draining_server_is_not_ready_and_still_predicts(make_app: Callable, start: Callable) -> None:
    app = make_app()
    with start(app) as client:
        app.state.readiness.draining = True
        assert client.get("/ready").status_code == 503
        assert client.get("/health").json()["status"] == "shutting_down"
        assert client.post("/predict", json={"transaction_id": "12345"}).status_code == 200


def test_model_is_named_with_its_inputs(client: TestClient, scorer: object) -> None:
    assert client.get("/model").json() == {
        "name": "fraud_detection",
        "version": "1",
        "threshold": scorer.threshold,
        "inputs": list(scorer.inputs),
    }


def test_source_is_closed_at_the_end(make_app: Callable, start: Callable, source: object) -> None:
    with start(make_app()):
        assert not source.closed
    assert source.closed


def test_outcomes_are_counted_by_source(client: TestClient, source: object) -> None:
    for transaction_id in ("12345", "67890", "67890", "nobody"):
        client.post("/predict", json={"transaction_id": transaction_id})
    client.post("/predict", json={"transaction_id": 1})
    client.post("/predict/batch", json={"transaction_ids": ["12345", "nobody"]})
    source.failure = FeaturesNotMaterialized("transaction_features")
    client.post("/predict", json={"transaction_id": "12345"})
    counted = {
        outcome: sample(client, "predictions_total", outcome=outcome, source="memory")
        for outcome in ("fraud", "legitimate", "unknown_transaction", "invalid", "not_materialized")
    }
    assert counted == {
        "fraud": 2,
        "legitimate": 2,
        "unknown_transaction": 2,
        "invalid": 1,
        "not_materialized": 1,
    }
    assert sample(client, "features_not_materialized_total") == 1


def test_unavailable_is_counted_for_each_transaction(client: TestClient, source: object) -> None:
    source.failure = UNAVAILABLE
    client.post("/predict/batch", json={"transaction_ids": ["1", "2", "3"]})
    assert sample(client, "predictions_total", outcome="unavailable") == 3


def test_stale_predictions_are_counted(client: TestClient) -> None:
    client.post("/predict", json={"transaction_id": "old"})
    assert sample(client, "stale_features_served_total", source="memory") == 1


@pytest.mark.parametrize("name", ["feature_fetch_latency_seconds", "prediction_latency_seconds"])
def test_latencies_are_measured_from_a_quarter_of_a_millisecond(client: TestClient, name: str) -> None:
    client.post("/predict", json={"transaction_id": "12345"})
    assert sample(client, f"{name}_count", source="memory") == 1
    assert sample(client, f"{name}_bucket", source="memory", le="0.00025") is not None


def test_component_states_are_shown(client: TestClient, source: object) -> None:
    client.get("/ready")
    assert sample(client, "component_ready", component="features") == 1
    source.failure = UNAVAILABLE
    client.get("/ready")
    assert sample(client, "component_ready", component="features") == 0


def test_two_apps_count_for_themselves(make_app: Callable, start: Callable) -> None:
    with start(make_app()) as one, start(make_app()) as other:
        one.post("/predict", json={"transaction_id": "12345"})
        assert sample(one, "predictions_total", outcome="fraud") == 1
        assert sample(other, "predictions_total", outcome="fraud") == 0


def test_problem_types_have_a_page(client: TestClient) -> None:
    problem = client.post("/predict", json={"transaction_id": "nobody"}).json()
    assert client.get(problem["type"]).json() == {"title": problem["title"], "status": 404}


def test_openapi_shows_the_features_as_overrides_with_examples(
    client: TestClient, served_definitions: object
) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert set(schemas["FeatureOverrides"]["properties"]) == set(served_definitions.names)
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200


def test_docs_page_is_there(client: TestClient) -> None:
    assert client.get("/docs").status_code == 200
