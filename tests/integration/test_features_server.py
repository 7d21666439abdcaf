"""The feature server of the containers: reads for who has a key, and nothing that writes for anybody."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from ports import free_port
from served_project import served_project
from server_process import ServerProcess
from stored_features import Row, environment

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

KEY = "a-key-of-more-than-sixteen-characters"
ROWS = [Row("12345", {"amount": 500.0}, datetime.now(timezone.utc) - timedelta(hours=1))]


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """The feature server, and a prediction server that asks it with a key in its URL."""
    folder = tmp_path_factory.mktemp("features")
    with served_project(folder, cassandra, definitions, ROWS) as settings:
        told = environment(settings)
        features = ServerProcess(
            "scripts/serve_features.py", free_port(), told | {"HOST": "0.0.0.0", "API_KEYS": KEY}, folder
        )
        url = features.url.replace("//", f"//key:{KEY}@")
        predictions = ServerProcess(
            "poc/serve_model_remote.py", free_port(), told | {"FEATURE_SERVER_URL": url}, folder
        )
        try:
            features.wait_until_live()
            yield features, predictions
        finally:
            features.kill()
            predictions.kill()


def question(definitions: ServedFeatures) -> dict[str, object]:
    return {"feature_service": definitions.service, "entities": {definitions.key_names[0]: ["12345"]}}


def test_read_needs_a_key(servers: tuple[ServerProcess, ServerProcess], definitions: ServedFeatures) -> None:
    client = servers[0].client
    asked = question(definitions)
    assert client.post("/get-online-features", json=asked).status_code == 401
    answer = client.post("/get-online-features", json=asked, headers={"X-API-Key": KEY})
    assert answer.status_code == 200
    assert [500.0] in [item["values"] for item in answer.json()["results"]]


@pytest.mark.parametrize(
    "path", ["/push", "/write-to-online-store", "/materialize", "/materialize-incremental", "/docs"]
)
def test_what_writes_is_not_there_even_with_a_key(
    servers: tuple[ServerProcess, ServerProcess], path: str
) -> None:
    client = servers[0].client
    assert client.post(path, json={}).status_code == 401
    assert client.post(path, json={}, headers={"X-API-Key": KEY}).status_code == 404


def test_client_that_asks_for_http_2_is_answered(
    servers: tuple[ServerProcess, ServerProcess], definitions: ServedFeatures
) -> None:
    client = servers[0].client
    asked = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAoAAA"}
    for headers in (asked, {}):
        answer = client.post(
            "/get-online-features", json=question(definitions), headers={"X-API-Key": KEY} | headers
        )
        assert answer.status_code == 200
        assert [500.0] in [item["values"] for item in answer.json()["results"]]


def test_compressed_question_is_refused_by_the_name_of_its_encoding(
    servers: tuple[ServerProcess, ServerProcess], definitions: ServedFeatures
) -> None:
    body = gzip.compress(json.dumps(question(definitions)).encode())
    headers = {"X-API-Key": KEY, "Content-Encoding": "gzip"}
    answer = servers[0].client.post("/get-online-features", content=body, headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert "gzip" in answer.json()["detail"]


def test_prediction_server_asks_it_with_the_key_of_its_url(
    servers: tuple[ServerProcess, ServerProcess],
) -> None:
    _, predictions = servers
    predictions.wait_until_ready()
    assert predictions.predict().json()["fraud_probability"] > 0.5
    said = predictions.stdout.read_text() + predictions.stderr.read_text()
    assert KEY not in said
