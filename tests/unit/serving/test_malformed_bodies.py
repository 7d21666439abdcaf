"""Whatever is sent to /predict, the answer is a problem that says what to change, and never a 500."""

import codecs
import gzip
import json

import pytest
from fastapi.testclient import TestClient

JSON = {"content-type": "application/json"}


def overriding(feature: str, value: str) -> str:
    return f'{{"transaction_id": "12345", "overrides": {{"{feature}": {value}}}}}'


# What is sent, and the field that the answer has to name.
PREDICT = {
    "nothing": ("", "body"),
    "no object": ("[]", "body"),
    "a string": ('"12345"', "body"),
    "a number": ("12345", "body"),
    "null": ("null", "body"),
    "no id": ("{}", "transaction_id"),
    "cut off": ('{"transaction_id": "1', "body"),
    "no JSON": ("transaction_id=12345", "body"),
    "two objects": ('{"transaction_id": "1"}{}', "body"),
    "single quotes": ("{'transaction_id': '1'}", "body"),
    "number as id": ('{"transaction_id": 12345}', "transaction_id"),
    "fraction as id": ('{"transaction_id": 1.5}', "transaction_id"),
    "true as id": ('{"transaction_id": true}', "transaction_id"),
    "null as id": ('{"transaction_id": null}', "transaction_id"),
    "list as id": ('{"transaction_id": ["12345"]}', "transaction_id"),
    "object as id": ('{"transaction_id": {"id": "1"}}', "transaction_id"),
    "NaN as id": ('{"transaction_id": NaN}', "transaction_id"),
    "empty id": ('{"transaction_id": ""}', "transaction_id"),
    "id too long": (json.dumps({"transaction_id": "1" * 257}), "transaction_id"),
    "half a character in the id": ('{"transaction_id": "\\ud800"}', "body"),
    "unknown key": ('{"transaction_id": "1", "id": "2"}', "id"),
    "list of ids": ('{"transaction_ids": ["1"]}', "transaction_id"),
    "overrides are a list": ('{"transaction_id": "1", "overrides": []}', "overrides"),
    "overrides are a string": ('{"transaction_id": "1", "overrides": "amount"}', "overrides"),
    "unknown feature": (overriding("amonut", "1"), "overrides.amonut"),
    "the key as a feature": (overriding("transaction_id", '"1"'), "overrides.transaction_id"),
    "NaN": (overriding("amount", "NaN"), "overrides.amount"),
    "Infinity": (overriding("amount", "Infinity"), "overrides.amount"),
    "-Infinity": (overriding("amount", "-Infinity"), "overrides.amount"),
    "1e999": (overriding("amount", "1e999"), "overrides.amount"),
    "number as text": (overriding("amount", '"500"'), "overrides.amount"),
    "true as number": (overriding("amount", "true"), "overrides.amount"),
    "null as number": (overriding("amount", "null"), "overrides.amount"),
    "below the minimum": (overriding("amount", "-0.01"), "overrides.amount"),
    "above the maximum": (overriding("transaction_hour", "24"), "overrides.transaction_hour"),
    "fraction for an integer": (overriding("transaction_hour", "1.5"), "overrides.transaction_hour"),
    "integer past 64 bits": (overriding("velocity_last_24h", str(2**63)), "overrides.velocity_last_24h"),
    "NaN for an integer": (overriding("velocity_last_24h", "NaN"), "overrides.velocity_last_24h"),
    "true for an integer": (overriding("foreign_transaction", "true"), "overrides.foreign_transaction"),
    "unknown category": (overriding("merchant_category", '"Toys"'), "overrides.merchant_category"),
    "category in other letters": (overriding("merchant_category", '"food"'), "overrides.merchant_category"),
    "number as category": (overriding("merchant_category", "1"), "overrides.merchant_category"),
}

BATCH = {
    "nothing": ("", "body"),
    "no ids": ("{}", "transaction_ids"),
    "empty list": ('{"transaction_ids": []}', "transaction_ids"),
    "too many ids": (json.dumps({"transaction_ids": [str(n) for n in range(101)]}), "transaction_ids"),
    "one string": ('{"transaction_ids": "12345"}', "transaction_ids"),
    "an object": ('{"transaction_ids": {"0": "12345"}}', "transaction_ids"),
    "null": ('{"transaction_ids": null}', "transaction_ids"),
    "a number among them": ('{"transaction_ids": ["1", 2]}', "transaction_ids.1"),
    "null among them": ('{"transaction_ids": ["1", null]}', "transaction_ids.1"),
    "an empty one among them": ('{"transaction_ids": ["1", ""]}', "transaction_ids.1"),
    "a nested list": ('{"transaction_ids": [["1"]]}', "transaction_ids.0"),
    "overrides": ('{"transaction_ids": ["1"], "overrides": {}}', "overrides"),
}

BYTES = {
    "Latin-1": b'{"transaction_id": "\xe9"}',
    "bytes that are no text": b"\xff\xfe\x00\x01\x02",
    "nested deeply": b'{"transaction_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 10,000 digits": b'{"transaction_id": ' + b"1" * 10_000 + b"}",
}


def assert_names(answer: object, field: str) -> None:
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == 422
    assert body["way_out"]
    assert field in [item["field"] for item in body["errors"]]


@pytest.mark.parametrize(("body", "field"), PREDICT.values(), ids=PREDICT.keys())
@pytest.mark.fault("Requests", "malformed bodies", "422 that names the field; no feature is read")
def test_malformed_prediction_request_is_refused_by_field(client: TestClient, body: str, field: str) -> None:
    assert_names(client.post("/predict", content=body, headers=JSON), field)


@pytest.mark.parametrize(("body", "field"), BATCH.values(), ids=BATCH.keys())
def test_malformed_batch_request_is_refused_by_field(client: TestClient, body: str, field: str) -> None:
    assert_names(client.post("/predict/batch", content=body, headers=JSON), field)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("body", BYTES.values(), ids=BYTES.keys())
def test_unreadable_body_is_refused(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("hour", ["1.0", "1e0", "10E-1"])
def test_whole_number_may_be_written_as_json_lets_it(client: TestClient, hour: str) -> None:
    answer = client.post("/predict", content=overriding("transaction_hour", hour), headers=JSON)
    assert (answer.status_code, answer.json()["features"]["transaction_hour"]) == (200, 1)


@pytest.mark.parametrize("digits", ["9" * 5000, "0" * 5000 + "1", "\xb2", "-1", "1_0", " 5 "])
@pytest.mark.parametrize(
    ("header", "path"),
    [("content-length", "/predict"), ("inference-header-content-length", "/v2/models/fraud_detection/infer")],
)
def test_header_that_is_no_size_is_no_failure(
    client: TestClient, header: str, path: str, digits: str
) -> None:
    answer = client.post(path, content=b"{}", headers={**JSON, header: digits.encode("latin-1")})
    assert 400 <= answer.status_code < 500


def test_refused_request_reads_no_features(client: TestClient, source: object) -> None:
    client.post("/predict", content=overriding("amount", "NaN"), headers=JSON)
    assert source.reads == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json", ""]
)
def test_other_content_type_is_refused_with_the_right_one(client: TestClient, content_type: str) -> None:
    answer = client.post(
        "/predict", content='{"transaction_id": "12345"}', headers={"content-type": content_type}
    )
    assert answer.status_code == 415
    assert "content-type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/predict",
        "/predict/batch",
        "/console/explain",
        "/console/race",
        "/v2/models/fraud_detection/infer",
        "/v2/models/fraud_detection/versions/1/infer",
    ],
)
@pytest.mark.parametrize("encoding", ["gzip", "GZip, identity", "deflate", "br"])
def test_compressed_body_is_refused_by_the_name_of_its_encoding(
    client: TestClient, path: str, encoding: str
) -> None:
    body = gzip.compress(b'{"transaction_id": "12345"}')
    answer = client.post(path, content=body, headers={**JSON, "content-encoding": encoding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    told = answer.json()
    assert encoding in (told["error"] if path.startswith("/v2/") else told["detail"])
    counted = 'predictions_total{outcome="invalid",source="memory"} 1.0'
    assert counted in client.get("/metrics").text or path.startswith("/console")


def test_every_route_that_takes_a_body_documents_that_it_may_not_be_compressed(client: TestClient) -> None:
    posted = [item["post"] for item in client.get("/openapi.json").json()["paths"].values() if "post" in item]
    assert len(posted) == 4
    assert all("compressed" in operation["responses"]["415"]["description"] for operation in posted)


def test_body_that_is_encoded_as_itself_is_taken(client: TestClient) -> None:
    headers = [("content-type", "application/json"), ("content-encoding", "Identity")]
    answer = client.post("/predict", content='{"transaction_id": "12345"}', headers=headers)
    assert answer.status_code == 200


def test_json_with_charset_is_taken(client: TestClient) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = client.post("/predict", content='{"transaction_id": "12345"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"transaction_id": "12345"}),
        (
            "/v2/models/fraud_detection/infer",
            {"inputs": [{"name": "transaction_id", "shape": [1], "datatype": "BYTES", "data": ["12345"]}]},
        ),
    ],
)
def test_json_behind_a_byte_order_mark_is_taken(client: TestClient, path: str, body: object) -> None:
    content = codecs.BOM_UTF8 + json.dumps(body).encode()
    assert client.post(path, content=content, headers=JSON).status_code == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["declared length", "chunks"])
@pytest.mark.fault("Requests", "a body over the limit, with and without a length", "413")
def test_body_too_large_is_refused(client: TestClient, chunked: bool) -> None:
    body = b'{"transaction_id": "' + b"1" * 600_000 + b'"}'
    content = iter([body[:400_000], body[400_000:]]) if chunked else body
    answer = client.post("/predict", content=content, headers=JSON)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_largest_valid_batch_fits(client: TestClient) -> None:
    ids = ["\N{PILE OF POO}" * 100] * 100
    answer = client.post("/predict/batch", content=json.dumps({"transaction_ids": ids}), headers=JSON)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("POST", "/ready", 405), ("GET", "/nowhere", 404)],
)
def test_wrong_method_or_path_is_a_problem_too(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
