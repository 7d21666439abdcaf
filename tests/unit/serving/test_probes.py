"""How balancers and probes ask."""

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize("path", ["/live", "/health", "/ready", "/metrics", "/docs", "/"])
def test_head_is_answered_as_get_would_be(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_what_is_posted_is_not_allowed(client: TestClient) -> None:
    assert client.head("/predict").status_code == 405


def test_null_of_an_optional_field_says_what_leaving_it_out_says(client: TestClient) -> None:
    plain, null = ({"transaction_id": "12345"} | more for more in ({}, {"overrides": None}))
    judged = [client.post("/predict", json=body).json() for body in (plain, null)]
    assert judged[0]["fraud_probability"] == judged[1]["fraud_probability"]
    tensor = {
        "name": "transaction_id",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["12345"],
        "parameters": None,
    }
    asked = {"inputs": [tensor], "parameters": None, "id": None, "outputs": None}
    assert client.post("/v2/models/fraud_detection/infer", json=asked).status_code == 200
