"""What /predict and /predict/batch answer when there is something to say."""

import math
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from fastapi.testclient import TestClient

from poc.errors import CassandraUnavailable, FeaturesNotApplied, FeaturesNotMaterialized, FeaturesOutdated

UNAVAILABLE = CassandraUnavailable("127.0.0.1:9042", "timed out")


def predict(client: TestClient, **body: object) -> dict[str, object]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_answer_carries_what_the_judgement_rests_on(client: TestClient, scorer: object) -> None:
    answer = predict(client, transaction_id="12345")
    assert answer["transaction_id"] == "12345"
    assert answer["is_fraud"] is True
    assert answer["threshold"] == scorer.threshold
    assert answer["model"] == {"name": "fraud_detection", "version": "1"}
    assert answer["source"] == "memory"
    assert answer["features"]["amount"] == 500.0
    assert answer["overridden"] == []
    assert set(answer["latency_ms"]) == {"features", "model"}


def test_probability_is_the_models_own(client: TestClient, source: object, scorer: object) -> None:
    expected = scorer.score([source.held["12345"].values])[0]
    assert predict(client, transaction_id="12345")["fraud_probability"] == expected


def test_features_come_in_declared_order(client: TestClient, served_definitions: object) -> None:
    assert tuple(predict(client, transaction_id="12345")["features"]) == served_definitions.names


def test_zero_stays_zero(client: TestClient) -> None:
    assert predict(client, transaction_id="12345")["features"]["transaction_hour"] == 0


def test_event_timestamp_is_in_utc(client: TestClient, source: object) -> None:
    stated = datetime.fromisoformat(predict(client, transaction_id="12345")["event_timestamp"])
    assert stated.astimezone(timezone.utc) == source.held["12345"].event_timestamp


def test_override_replaces_the_stored_value_and_is_named(client: TestClient) -> None:
    answer = predict(client, transaction_id="12345", overrides={"amount": 10.5})
    assert answer["features"]["amount"] == 10.5
    assert answer["overridden"] == ["amount"]
    assert answer["is_fraud"] is False


def test_override_of_zero_counts(client: TestClient) -> None:
    answer = predict(client, transaction_id="12345", overrides={"amount": 0})
    assert answer["features"]["amount"] == 0


def test_empty_overrides_change_nothing(client: TestClient) -> None:
    assert predict(client, transaction_id="12345", overrides={})["overridden"] == []


def test_null_value_is_shown_as_null_and_judged_as_missing(client: TestClient, scorer: object) -> None:
    answer = predict(client, transaction_id="nulls")
    assert set(answer["features"].values()) == {None}
    assert answer["fraud_probability"] == scorer.score([dict.fromkeys(scorer.inputs)])[0]
    assert math.isfinite(answer["fraud_probability"])


def test_unknown_transaction_is_404_with_its_id(client: TestClient) -> None:
    answer = client.post("/predict", json={"transaction_id": "nobody"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "'nobody'" in answer.json()["detail"]


def test_unknown_transaction_is_404_with_overrides_too(client: TestClient) -> None:
    answer = client.post("/predict", json={"transaction_id": "nobody", "overrides": {"amount": 1}})
    assert answer.status_code == 404


def test_stale_features_are_served_and_marked(client: TestClient) -> None:
    answer = predict(client, transaction_id="old")
    assert answer["stale"] is True
    assert answer["age_seconds"] == pytest.approx(40 * 86_400, abs=60)


def test_stale_features_are_refused_where_settings_say_so(
    make_app: Callable, start: Callable, source: object
) -> None:
    with start(make_app(stale_features="refuse")) as client:
        refused = client.post("/predict", json={"transaction_id": "old"})
        fresh = client.post("/predict", json={"transaction_id": "12345"})
    assert refused.status_code == 503
    assert "40.0 days" in refused.json()["detail"]
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("failure", "way_out"),
    [
        (UNAVAILABLE, "start_cassandra.py"),
        (FeaturesNotMaterialized("transaction_features"), "feast_materialize.py"),
        (FeaturesNotApplied("fraud_detection_v1"), "feast_setup.py"),
        (FeaturesOutdated("amount is stored as string"), "feast_materialize.py --full"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_failure_to_read_is_503_with_the_command(
    client: TestClient, source: object, failure: Exception, way_out: str
) -> None:
    source.failure = failure
    answer = client.post("/predict", json={"transaction_id": "12345"})
    assert answer.status_code == 503
    assert answer.json()["detail"] == failure.what
    assert way_out in answer.json()["way_out"]
    assert "fraud_probability" not in answer.json()


def test_unreachable_cassandra_says_when_to_ask_again(client: TestClient, source: object) -> None:
    source.failure = UNAVAILABLE
    assert client.post("/predict", json={"transaction_id": "1"}).headers["retry-after"] == "1"


def test_failure_that_nobody_foresaw_is_a_problem_without_its_text(
    client: TestClient, source: object
) -> None:
    source.failure = RuntimeError("secret")
    answer = client.post("/predict", json={"transaction_id": "12345"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_batch_answers_each_id_in_order(client: TestClient) -> None:
    answer = client.post("/predict/batch", json={"transaction_ids": ["67890", "nobody", "12345", "67890"]})
    assert answer.status_code == 200
    predictions = answer.json()["predictions"]
    assert [item["transaction_id"] for item in predictions] == ["67890", "nobody", "12345", "67890"]
    assert [item.get("is_fraud") for item in predictions] == [False, None, True, False]
    assert predictions[1]["error"]["status"] == 404
    assert predictions[3] == predictions[0]


def test_batch_agrees_with_single_predictions(client: TestClient) -> None:
    batch = client.post("/predict/batch", json={"transaction_ids": ["12345", "67890", "nulls"]}).json()
    for item in batch["predictions"]:
        single = predict(client, transaction_id=item["transaction_id"])
        assert single["fraud_probability"] == item["fraud_probability"]


def test_batch_reads_a_repeated_id_once(client: TestClient, source: object) -> None:
    client.post("/predict/batch", json={"transaction_ids": ["12345", "67890", "12345"]})
    assert source.reads == [["12345", "67890"]]


def test_batch_of_a_hundred_is_answered(client: TestClient) -> None:
    answer = client.post("/predict/batch", json={"transaction_ids": [str(n) for n in range(100)]})
    assert len(answer.json()["predictions"]) == 100


def test_batch_refuses_stale_ones_by_themselves(make_app: Callable, start: Callable) -> None:
    with start(make_app(stale_features="refuse")) as client:
        answer = client.post("/predict/batch", json={"transaction_ids": ["old", "12345"]}).json()
    assert answer["predictions"][0]["error"]["status"] == 503
    assert answer["predictions"][1]["is_fraud"] is True
