"""What the OpenAPI document of each server says is what the server does, for whatever can be asked by it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from api_checks import EXAMPLES, require_conformance
from fault_report import Seen
from feast_server import FeastServer
from ports import free_port
from served_project import served_project
from server_process import ServerProcess
from stored_features import Row, environment

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

# The ids that the document has as examples.
ROWS = [
    Row(name, {"amount": 150.0}, datetime.now(timezone.utc) - timedelta(hours=1))
    for name in ("12345", "67890", "11111")
]
# On a machine with other work.
START_SECONDS = 240.0
KEY = "a-key-of-more-than-sixteen-characters"


@pytest.fixture(scope="module")
def start_server(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Callable[..., ServerProcess]]:
    folder = tmp_path_factory.mktemp("document")
    with served_project(folder, cassandra, definitions, ROWS, direct=True) as settings:
        features = FeastServer(settings, folder)
        features.start()
        told = environment(settings) | {"FEATURE_SERVER_URL": features.url}
        started: list[ServerProcess] = []

        def start(name: str, **variables: str) -> ServerProcess:
            server = ServerProcess(f"poc/{name}.py", free_port(), told | variables, folder)
            started.append(server)
            server.wait_until_ready(START_SECONDS)
            return server

        try:
            yield start
        finally:
            for server in started:
                server.kill()
            features.kill()


@pytest.mark.timeout(600 + 60 * int(EXAMPLES))
@pytest.mark.parametrize(
    ("name", "key"), [("serve_model_feast", None), ("serve_model", KEY), ("serve_model_remote", None)]
)
@pytest.mark.fault(
    "Requests",
    "any request that Schemathesis makes of the three servers' documents",
    "answered as documented, never 500",
)
def test_answers_are_those_of_the_document(
    start_server: Callable[..., ServerProcess], name: str, key: str | None, seen: Seen
) -> None:
    asked = {} if key is None else {"X-API-Key": key}
    server = start_server(name, **({} if key is None else {"API_KEYS": key}))
    seen("requests tried", require_conformance(server.url, **asked), "")
    server.kill()
