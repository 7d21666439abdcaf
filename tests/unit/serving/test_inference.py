"""What the Open Inference Protocol's routes answer, word by word; a public client asks in integration."""

import json
import struct
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from poc.errors import CassandraUnavailable, ModelNotFound

MODEL = "/v2/models/fraud_detection"
UNAVAILABLE = CassandraUnavailable("127.0.0.1:9042", "timed out")


def body(*ids: str, **more: object) -> dict[str, object]:
    tensor = {"name": "transaction_id", "datatype": "BYTES", "shape": [len(ids)], "data": list(ids)}
    return {"inputs": [tensor]} | more


def infer(client: TestClient, *ids: str, **more: object) -> dict[str, object]:
    answer = client.post(f"{MODEL}/infer", json=body(*ids, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def outputs(answer: dict[str, object]) -> dict[str, object]:
    return {item["name"]: item["data"] for item in answer["outputs"]}


def test_server_tells_what_it_is_and_which_extension_it_speaks(client: TestClient) -> None:
    answer = client.get("/v2").json()
    assert answer["name"] == "feast-cassandra-poc"
    assert answer["extensions"] == ["binary_tensor_data"]


def test_model_tells_what_goes_in_and_comes_out(client: TestClient) -> None:
    assert client.get(MODEL).json() == {
        "name": "fraud_detection",
        "versions": ["1"],
        "platform": "feast_onnx",
        "inputs": [{"name": "transaction_id", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "fraud_probability", "datatype": "FP64", "shape": [-1]},
            {"name": "is_fraud", "datatype": "BOOL", "shape": [-1]},
        ],
    }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"{MODEL}/ready", {"name": "fraud_detection", "ready": True}),
    ],
)
def test_ready_server_says_so(client: TestClient, path: str, said: dict[str, object]) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json() == said


def test_served_version_answers_as_the_model_does(client: TestClient) -> None:
    assert client.get(f"{MODEL}/versions/1").json() == client.get(MODEL).json()
    assert client.get(f"{MODEL}/versions/1/ready").status_code == 200
    assert client.post(f"{MODEL}/versions/1/infer", json=body("12345")).json() == infer(client, "12345")


def test_answer_is_what_predict_answers(client: TestClient) -> None:
    one_by_one = [
        client.post("/predict", json={"transaction_id": item}).json() for item in ("12345", "67890")
    ]
    answer = infer(client, "12345", "67890", id="42")
    assert answer["id"] == "42"
    assert (answer["model_name"], answer["model_version"]) == ("fraud_detection", "1")
    assert outputs(answer) == {
        "fraud_probability": [item["fraud_probability"] for item in one_by_one],
        "is_fraud": [True, False],
    }
    assert [item["shape"] for item in answer["outputs"]] == [[2], [2]]


def test_only_wanted_outputs_come_in_the_wanted_order(client: TestClient) -> None:
    wanted = [{"name": "is_fraud"}, {"name": "fraud_probability"}]
    assert list(outputs(infer(client, "12345", outputs=wanted))) == ["is_fraud", "fraud_probability"]
    assert list(outputs(infer(client, "12345", outputs=wanted[:1]))) == ["is_fraud"]


def test_binary_outputs_follow_the_json(client: TestClient) -> None:
    expected = outputs(infer(client, "12345", "67890"))
    asked = body("12345", "67890", parameters={"binary_data_output": True})
    answer = client.post(f"{MODEL}/infer", json=asked)
    size = int(answer.headers["inference-header-content-length"])
    head, binary = json.loads(answer.content[:size]), answer.content[size:]
    assert [item["parameters"]["binary_data_size"] for item in head["outputs"]] == [16, 2]
    assert list(struct.unpack("<2d2?", binary)) == [*expected["fraud_probability"], *expected["is_fraud"]]


def test_overrides_are_judged_by(client: TestClient) -> None:
    answer = infer(client, "12345", parameters={"overrides": '{"amount": 10.5}'})
    assert outputs(answer)["is_fraud"] == [False]


def test_threshold_and_stale_transactions_are_told(client: TestClient, scorer: object) -> None:
    answer = infer(client, "12345", "old")
    assert answer["parameters"] == {"threshold": scorer.threshold, "stale": 1}


def refused(answer: object, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]


def test_unknown_transactions_are_named_and_no_missing_model(client: TestClient) -> None:
    answer = client.post(f"{MODEL}/infer", json=body("12345", "nobody", "else"))
    assert "'nobody'" in refused(answer, 400)
    assert "'else'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b'{"inputs": 1}', "inputs"),
        (b'{"inputs": []}', "inputs"),
        (json.dumps(body("")).encode(), "transaction_ids.0"),
        (json.dumps(body("x" * 257)).encode(), "transaction_ids.0"),
        (json.dumps(body()).encode(), "transaction_ids"),
        (json.dumps(body(*map(str, range(101)))).encode(), "transaction_ids"),
        (json.dumps(body("1", parameters={"overrides": '{"amonut": 1}'})).encode(), "amonut"),
        (json.dumps(body("1", parameters={"overrides": '{"amount": "1"}'})).encode(), "amount"),
        (json.dumps(body("1", parameters={"overrides": "amount"})).encode(), "JSON"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(client: TestClient, sent: bytes, said: str) -> None:
    assert said in refused(client.post(f"{MODEL}/infer", content=sent), 400)


@pytest.mark.parametrize("path", ["/v2/models/other", f"{MODEL}/versions/2", "/v2/models/other/ready"])
def test_other_model_and_version_are_not_found(client: TestClient, path: str) -> None:
    refused(client.get(path), 404)
    refused(client.post(f"{path.removesuffix('/ready')}/infer", json=body("12345")), 404)


def test_other_paths_and_methods_answer_in_the_protocols_form(client: TestClient) -> None:
    refused(client.get("/v2/nothing"), 404)
    refused(client.get(f"{MODEL}/infer"), 405)


def test_body_beyond_the_limit_is_refused(client: TestClient) -> None:
    refused(client.post(f"{MODEL}/infer", content=b"x" * (512 * 1024 + 1)), 413)


def test_compressed_body_is_refused(client: TestClient) -> None:
    headers = {"content-encoding": "gzip"}
    assert "gzip" in refused(client.post(f"{MODEL}/infer", content=b"x", headers=headers), 415)


def test_outage_is_told_with_when_to_ask_again(client: TestClient, source: object) -> None:
    source.failure = UNAVAILABLE
    answer = client.post(f"{MODEL}/infer", json=body("12345"))
    assert "timed out" in refused(answer, 503)
    assert answer.headers["retry-after"] == "1"
    ready = client.get("/v2/health/ready")
    assert "timed out" in refused(ready, 503)
    assert ready.json()["ready"] is False


def test_stale_features_are_refused_where_predict_refuses_them(make_app: Callable, start: Callable) -> None:
    with start(make_app(stale_features="refuse")) as client:
        refused(client.post(f"{MODEL}/infer", json=body("old")), 503)


def test_no_model_is_told(
    make_app: Callable, start: Callable, serving_settings: object, source: object
) -> None:
    from poc.serving.app import create_app
    from poc.serving.resources import model_resource

    def load(*_: object) -> object:
        raise ModelNotFound("sqlite:///mlflow.db", "fraud_detection", "champion")

    model = model_resource(serving_settings, load)
    app = create_app(serving_settings, lambda _: source, source_name="memory", model=model)
    with start(app) as client:
        for answer in (client.get(MODEL), client.post(f"{MODEL}/infer", json=body("12345"))):
            assert "train" in refused(answer, 503)


def test_inferences_are_counted_as_predictions(client: TestClient) -> None:
    infer(client, "12345", "67890")
    client.post(f"{MODEL}/infer", content=b"{}")
    counted = client.get("/metrics").text
    for outcome in ("fraud", "legitimate", "invalid"):
        assert f'predictions_total{{outcome="{outcome}",source="memory"}} 1.0' in counted
