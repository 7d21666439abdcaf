"""Requests, answers and tensors of services with other keys than the guide's, and of values that are none."""

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from feast.types import Array, Float32, Float64, Int64, String, UnixTimestamp
from pydantic import ValidationError

from poc.definitions import Feature, JoinKey, ServedFeatures
from poc.retrieval.source import EntityFeatures
from poc.serving.prediction import Bounds
from poc.serving.request_models import request_models
from poc.serving.response_models import prediction_models
from poc.serving.tensors import RefusedTensors, inputs, read_question

KEYS = (JoinKey("card_id", Int64), JoinKey("merchant_id", String))
BIG = 5_000_000_000


def keyed(served: ServedFeatures, *keys: JoinKey) -> ServedFeatures:
    [view] = served.views
    definitions = replace(view.definitions, join_keys=keys)
    names = tuple(key.name for key in keys)
    return replace(served, views=(replace(view, definitions=definitions, request_keys=names),))


@pytest.fixture
def pairs(client: TestClient, source: Any) -> TestClient:
    """A server whose source has gone over to entities of a card and a merchant."""
    source.served = keyed(source.served, *KEYS)
    known = source.held["12345"]
    source.held = {BIG: replace(known, key=(BIG, "m1"))}
    return client


def test_request_names_the_keys_of_the_service_and_the_answer_does(pairs: TestClient) -> None:
    answer = pairs.post("/predict", json={"card_id": BIG, "merchant_id": "m1"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["card_id"], answer.json()["merchant_id"]) == (BIG, "m1")
    assert "transaction_id" not in answer.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"card_id": "5", "merchant_id": "m1"}, "card_id"),
        ({"card_id": 5.5, "merchant_id": "m1"}, "card_id"),
        ({"card_id": 2.0**53 + 2, "merchant_id": "m1"}, "card_id"),
        ({"card_id": 2**63, "merchant_id": "m1"}, "card_id"),
        ({"card_id": 5}, "merchant_id"),
        ({"card_id": 5, "merchant_id": "m1", "transaction_id": "1"}, "transaction_id"),
    ],
)
def test_key_that_does_not_fit_is_named(pairs: TestClient, body: dict[str, object], field: str) -> None:
    answer = pairs.post("/predict", json=body)
    assert answer.status_code == 422
    assert field in [item["field"] for item in answer.json()["errors"]]


def test_batch_of_several_keys_lists_rows(pairs: TestClient) -> None:
    rows = [{"card_id": BIG, "merchant_id": "m1"}, {"card_id": 7, "merchant_id": "m2"}]
    answer = pairs.post("/predict/batch", json={"entity_rows": rows}).json()
    assert answer["predictions"][0]["is_fraud"] is True
    assert answer["predictions"][1]["card_id"] == 7
    assert "card_id 7, merchant_id 'm2'" in answer["predictions"][1]["error"]["detail"]


def test_batch_of_one_whole_number_lists_its_values(client: TestClient, source: Any) -> None:
    source.served = keyed(source.served, KEYS[0])
    source.held = {BIG: replace(source.held["12345"], key=(BIG,))}
    answer = client.post("/predict/batch", json={"card_ids": [BIG, 7]}).json()
    assert [item["card_id"] for item in answer["predictions"]] == [BIG, 7]


def test_tensors_name_every_key(pairs: TestClient) -> None:
    assert pairs.get("/v2/models/fraud_detection").json()["inputs"] == [
        {"name": "card_id", "datatype": "INT64", "shape": [-1]},
        {"name": "merchant_id", "datatype": "BYTES", "shape": [-1]},
    ]
    tensors = [
        {"name": "merchant_id", "datatype": "BYTES", "shape": [1], "data": ["m1"]},
        {"name": "card_id", "datatype": "INT64", "shape": [1], "data": [BIG]},
    ]
    answer = pairs.post("/v2/models/fraud_detection/infer", json={"inputs": tensors})
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][1]["data"] == [True]


def test_documents_follow_the_service(client: TestClient, source: Any) -> None:
    before = client.get("/openapi.json").json()
    source.served = keyed(source.served, *KEYS)
    after = client.get("/openapi.json").json()
    body = "PredictionRequestWithOverrides"
    assert "transaction_id" in before["components"]["schemas"][body]["properties"]
    assert {"card_id", "merchant_id"} <= set(after["components"]["schemas"][body]["properties"])
    assert {"card_id", "merchant_id"} <= set(after["components"]["schemas"]["PredictionAnswer"]["properties"])


def test_answers_are_what_is_documented(client: TestClient, served_definitions: ServedFeatures) -> None:
    one, several = prediction_models(served_definitions)
    single = client.post("/predict", json={"transaction_id": "12345"})
    one.model_validate_json(single.content)
    assert set(single.json()) == {field.alias or name for name, field in one.model_fields.items()}
    batch = client.post("/predict/batch", json={"transaction_ids": ["12345", "nobody"]})
    several.model_validate_json(batch.content)


@pytest.mark.parametrize("name", ["json", "model_config", "copy", "key", "with space", "class"])
def test_key_may_have_any_name(served_definitions: ServedFeatures, name: str) -> None:
    made = request_models(keyed(served_definitions, JoinKey(name, String)))
    assert made.prediction.model_validate_json(json.dumps({name: "a"})).key() == ("a",)
    assert made.batch.model_validate_json(json.dumps({f"{name}s": ["a", "b"]})).keys() == [("a",), ("b",)]


def test_time_as_key_needs_its_zone(served_definitions: ServedFeatures) -> None:
    made = request_models(keyed(served_definitions, JoinKey("at", UnixTimestamp)))
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert made.prediction.model_validate_json('{"at": "2026-01-01T00:00:00Z"}').key() == (moment,)
    with pytest.raises(ValidationError):
        made.prediction.model_validate_json('{"at": "2026-01-01T00:00:00"}')


def test_tensors_of_different_lengths_are_refused() -> None:
    tensors = [
        {"name": name, "datatype": kind, "shape": [count], "data": data}
        for name, kind, count, data in (("card_id", "INT64", 1, [1]), ("merchant_id", "BYTES", 2, ["a", "b"]))
    ]
    with pytest.raises(RefusedTensors, match="different numbers"):
        read_question(json.dumps({"inputs": tensors}).encode(), None, KEYS)


@pytest.mark.parametrize("data", [["5"], [5.0], [True], [None]])
def test_whole_number_of_a_tensor_is_nothing_else(data: list[object]) -> None:
    tensor = {"name": "card_id", "datatype": "INT64", "shape": [1], "data": data}
    with pytest.raises(RefusedTensors, match="whole number"):
        read_question(json.dumps({"inputs": [tensor]}).encode(), None, KEYS[:1])


def test_binary_whole_numbers_are_read() -> None:
    binary = (5).to_bytes(8, "little") + (BIG).to_bytes(8, "little")
    tensor = {"name": "card_id", "datatype": "INT64", "shape": [2], "parameters": {"binary_data_size": 16}}
    head = json.dumps({"inputs": [tensor]}).encode()
    assert read_question(head + binary, str(len(head)), KEYS[:1]).keys == [(5,), (BIG,)]
    assert inputs(KEYS) == {"card_id": "INT64", "merchant_id": "BYTES"}


def held(source: Any, **changes: object) -> EntityFeatures:
    known: EntityFeatures = source.held["12345"]
    return replace(known, **changes)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("device_trust_score", 4634063279075885056),
        ("device_trust_score", -1),
        ("transaction_hour", 24),
        ("amount", -0.01),
        ("merchant_category", "Toys"),
    ],
)
def test_stored_value_out_of_bounds_is_an_error_and_never_a_score(
    client: TestClient, source: Any, feature: str, value: object
) -> None:
    source.held["12345"] = held(source, values={**source.held["12345"].values, feature: value})
    answer = client.post("/predict", json={"transaction_id": "12345"})
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/value-out-of-bounds"
    assert feature in answer.json()["detail"]
    assert repr(value) in answer.json()["detail"]
    both = client.post("/predict/batch", json={"transaction_ids": ["12345", "67890"]}).json()
    assert [item.get("is_fraud") for item in both["predictions"]] == [None, False]


def test_value_out_of_bounds_that_is_overridden_is_not_judged_by(client: TestClient, source: Any) -> None:
    source.held["12345"] = held(source, values={**source.held["12345"].values, "transaction_hour": 24})
    body = {"transaction_id": "12345", "overrides": {"transaction_hour": 23}}
    assert client.post("/predict", json=body).status_code == 200


def test_bound_of_a_short_float_holds_what_it_is_rounded_to(served_definitions: ServedFeatures) -> None:
    [view] = served_definitions.views
    feature = Feature("share", Float32, "", {"min": "0", "max": "0.1"})
    bounds = Bounds(replace(served_definitions, views=(replace(view, features=(feature,)),)))
    assert bounds.outside({"share": 0.10000000149011612}, ()) is None
    assert bounds.outside({"share": 0.101}, ()) is not None
    assert bounds.outside({"share": None}, ()) is None


def test_feature_that_was_never_written_is_no_null(client: TestClient, source: Any) -> None:
    values = {name: value for name, value in source.held["12345"].values.items() if name != "amount"}
    source.held["12345"] = held(source, values=values, missing=("amount",))
    answer = client.post("/predict", json={"transaction_id": "12345"})
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/features-outdated"
    assert "amount" in answer.json()["detail"]
    assert "feast_materialize.py" in answer.json()["way_out"]
    given = client.post("/predict", json={"transaction_id": "12345", "overrides": {"amount": 1.0}})
    assert given.status_code == 200


def test_feature_that_the_model_does_not_take_may_be_missing(client: TestClient, source: Any) -> None:
    source.served = with_feature(source.served, Feature("new_feature", Float64, "", {}))
    source.held["12345"] = held(source, missing=("new_feature",))
    assert client.post("/predict", json={"transaction_id": "12345"}).status_code == 200


def with_feature(served: ServedFeatures, feature: Feature) -> ServedFeatures:
    [view] = served.views
    return replace(served, views=(replace(view, features=(*view.features, feature)),))


def test_model_whose_inputs_are_not_served_makes_the_server_not_ready(
    client: TestClient, source: Any, served_definitions: ServedFeatures
) -> None:
    [view] = served_definitions.views
    less = tuple(item for item in view.features if item.name != "amount")
    source.served = replace(served_definitions, views=(replace(view, features=less),))
    for answer in (client.get("/ready"), client.post("/predict", json={"transaction_id": "12345"})):
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/model-mismatch"
        assert "amount" in answer.json()["detail"]


def test_list_feature_is_shown_and_cannot_be_overridden(client: TestClient, source: Any) -> None:
    source.served = with_feature(source.served, Feature("recent", Array(Float64), "", {}))
    source.held["12345"] = held(source, values={**source.held["12345"].values, "recent": [1.0, 2.0]})
    assert client.post("/predict", json={"transaction_id": "12345"}).json()["features"]["recent"] == [
        1.0,
        2.0,
    ]
    body = {"transaction_id": "12345", "overrides": {"recent": [1.0]}}
    assert client.post("/predict", json=body).status_code == 422
