"""An app on a source in memory and a real, small ONNX model: everything but the network and Cassandra."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from small_model import small_model

from poc.definitions import ServedFeatures
from poc.errors import PocError
from poc.model.scoring import Scorer, open_scorer
from poc.repository import declared_service
from poc.retrieval.source import EntityFeatures, EntityKey
from poc.serving.app import create_app
from poc.serving.resources import model_resource
from poc.settings import Settings

FEATURE_REPO = Path(__file__).parents[3] / "feature_repo"


class MemorySource:
    """A feature source that holds what it is given, and fails with what it is told to."""

    name = "memory"

    def __init__(self, served: ServedFeatures, held: Sequence[EntityFeatures]) -> None:
        self.served = served
        self.held = {item.key[0]: item for item in held}
        self.failure: PocError | None = None
        self.reads: list[list[str]] = []
        self.closed = False

    async def read(self, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        await self.check()
        self.reads.append([key[0] for key in keys])
        return [self.held.get(key[0]) for key in keys]

    async def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="session")
def serving_settings() -> Settings:
    return Settings(_env_file=None, feast_repo_path=FEATURE_REPO, feature_timeout_seconds=0.5)


@pytest.fixture(scope="session")
def served_definitions(serving_settings: Settings) -> ServedFeatures:
    return declared_service(serving_settings)


@pytest.fixture(scope="session")
def scorer(served_definitions: ServedFeatures) -> Scorer:
    """A model that takes payments from 300 on for fraud."""
    onnx_model, _ = small_model(served_definitions)
    return open_scorer(onnx_model, name="fraud_detection", version="1")


@pytest.fixture
def source(served_definitions: ServedFeatures) -> MemorySource:
    """Holds 12345 (500.0, hour 0), 67890 (150.0), `old` (past the ttl) and `nulls` (nothing known)."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    values: dict[str, object] = {
        feature.name: feature.tags["values"].split(",")[0] if "values" in feature.tags else 0
        for feature in served_definitions.features
    }
    fresh = EntityFeatures(("12345",), {**values, "amount": 500.0}, now - timedelta(hours=2), stale=False)
    return MemorySource(
        served_definitions,
        [
            fresh,
            replace(fresh, key=("67890",), values={**values, "amount": 150.0}),
            replace(fresh, key=("old",), event_timestamp=now - timedelta(days=40), stale=True),
            replace(fresh, key=("nulls",), values=dict.fromkeys(values)),
        ],
    )


AppFactory = Callable[..., FastAPI]


@pytest.fixture
def make_app(serving_settings: Settings, source: MemorySource, scorer: Scorer) -> AppFactory:
    def make(**changes: object) -> FastAPI:
        settings = serving_settings.model_copy(update=changes)
        model = model_resource(settings, lambda *_: scorer)
        return create_app(settings, lambda _: source, source_name=source.name, model=model)

    return make


@pytest.fixture
def client(make_app: AppFactory) -> Iterator[TestClient]:
    with started(make_app()) as client:
        yield client


@pytest.fixture
def start() -> Callable[[FastAPI], TestClient]:
    return started


def started(app: FastAPI) -> TestClient:
    """Give a client of `app` that waits, once entered, for the first attempt to get ready."""

    class Started(TestClient):
        def __enter__(self) -> "Started":
            super().__enter__()
            for resource in app.state.resources:
                resource.wait_until_tried(10)
            return self

    return Started(app, raise_server_exceptions=False)
