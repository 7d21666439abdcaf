"""Predictions over a real feature server, asked by a public client of the Open Inference Protocol too."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from feast_server import FeastServer
from ports import free_port
from served_project import served_project
from server_process import ServerProcess
from stored_features import Row, environment
from tritonclient.utils import InferenceServerException

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

MODEL = "fraud_detection"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
PAYMENT = {"transaction_hour": 0, "merchant_category": "Travel", "foreign_transaction": 0}
ROWS = [
    Row("12345", PAYMENT | {"amount": 500.0}, NOW - timedelta(hours=3)),
    Row("67890", PAYMENT | {"amount": 150.0}, NOW - timedelta(days=40)),
]


@dataclass(frozen=True, slots=True)
class Remote:
    """A feature server and a prediction server over it, each a process of its own."""

    features: FeastServer
    predictions: ServerProcess


@pytest.fixture(scope="module")
def remote(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Remote]:
    folder = tmp_path_factory.mktemp("remote")
    with served_project(folder, cassandra, definitions, ROWS) as settings:
        features = FeastServer(settings, folder)
        # The prediction server is told where the feature server is, and nothing of Cassandra.
        told = environment(settings) | {
            "FEATURE_SERVER_URL": features.url,
            "CASSANDRA_HOSTS": "127.0.0.1",
            "CASSANDRA_PORT": "1",
        }
        predictions = ServerProcess("poc/serve_model_remote.py", free_port(), told, folder)
        try:
            features.start()
            predictions.wait_until_ready()
            yield Remote(features, predictions)
        finally:
            predictions.kill()
            features.kill()


@pytest.fixture
def client(remote: Remote) -> Iterator[triton.InferenceServerClient]:
    made = triton.InferenceServerClient(remote.predictions.url.removeprefix("http://"))
    yield made
    made.close()


def tensor(*ids: str, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput("transaction_id", [len(ids)], "BYTES")
    made.set_data_from_numpy(np.array(ids, dtype=object), binary_data=binary)
    return made


def test_prediction_rests_on_the_served_features(remote: Remote, definitions: ServedFeatures) -> None:
    answer = remote.predictions.predict("12345").json()
    assert answer["source"] == "feature-server"
    assert answer["is_fraud"] is True
    assert tuple(answer["features"]) == definitions.names
    assert answer["features"]["amount"] == 500.0
    assert datetime.fromisoformat(answer["event_timestamp"]) == ROWS[0].event_timestamp
    assert remote.predictions.predict("67890").json()["stale"] is True
    assert remote.predictions.predict("nobody").status_code == 404


def test_public_client_finds_the_server_and_the_model_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata(MODEL)
    assert [item["name"] for item in metadata["outputs"]] == ["fraud_probability", "is_fraud"]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_public_client_infers_what_predict_predicts(
    remote: Remote, client: triton.InferenceServerClient, binary: bool
) -> None:
    expected = [remote.predictions.predict(row.transaction_id).json() for row in ROWS]
    names = ("fraud_probability", "is_fraud")
    # Without named outputs the client asks for all, in binary.
    wanted = None if binary else [triton.InferRequestedOutput(name, binary_data=False) for name in names]
    ids = tensor(*(row.transaction_id for row in ROWS), binary=binary)
    found = client.infer(MODEL, [ids], outputs=wanted, request_id="42")
    assert found.get_response()["id"] == "42"
    for name, dtype in zip(names, (np.float64, np.bool_), strict=True):
        assert found.as_numpy(name).dtype == dtype
        assert found.as_numpy(name).tolist() == [item[name] for item in expected]


def test_public_client_overrides_features(client: triton.InferenceServerClient) -> None:
    parameters = {"overrides": '{"amount": 10.5}'}
    found = client.infer(MODEL, [tensor("12345")], model_version="1", parameters=parameters)
    assert found.as_numpy("is_fraud").tolist() == [False]


def test_public_client_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="'nobody'") as caught:
        client.infer(MODEL, [tensor("12345", "nobody")])
    assert caught.value.status() == "400"


def test_feature_server_that_dies_and_returns_needs_no_restart(remote: Remote) -> None:
    predictions = remote.predictions
    remote.features.kill()
    answer = predictions.predict("12345")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "/problems/feature-server-unavailable"
    assert "feast -c feature_repo serve" in answer.json()["way_out"]
    assert predictions.get("/ready").status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert predictions.get("/live").status_code == httpx.codes.OK
    remote.features.start()
    predictions.wait_until_ready()
    assert predictions.predict("12345").status_code == httpx.codes.OK


def test_requests_of_the_document_are_answered(remote: Remote, root: Path) -> None:
    text = (root / "docs/serving.md").read_text().replace("localhost:8002", remote.predictions.url[7:])
    shell, python = [block for block in text.split("```text\n")[1:] if remote.predictions.url[7:] in block]
    for command in (["bash", "-euo", "pipefail", "-c"], [sys.executable, "-c"]):
        block = (shell if command[0] == "bash" else python).split("```")[0]
        done = subprocess.run(
            [*command, block.replace("curl -s", "curl -sS --fail")],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "True" in done.stdout or '"is_fraud", "datatype": "BOOL"' in done.stdout
