"""A service over three views, with text, whole and composite keys: read by each source, served by the app."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from own_sessions import apply_definitions
from second_repository import SecondRepository, write_second_repository
from small_model import small_model

from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.direct import DirectTable
from poc.model.scoring import open_scorer
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.source import FeatureSource
from poc.serving.app import create_app
from poc.serving.resources import model_resource
from poc.settings import Settings

COUNT = 20


@dataclass
class Project:
    """The repository, applied and materialized into a layout and the direct tables."""

    written: SecondRepository
    settings: Settings


@pytest.fixture(params=["rows", "stock"])
def project(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cassandra: ConnectionSettings,
    keyspace: str,
    session: Session,
) -> Project:
    written = write_second_repository(
        tmp_path / "feature_repo", port=cassandra.port, keyspace=keyspace, layout=request.param
    )
    settings = written.settings(direct_keyspace=keyspace, feature_timeout_seconds=10.0)
    apply_definitions(settings)
    store = open_feature_store(settings)
    end = datetime.now(timezone.utc) + timedelta(minutes=1)
    store.materialize(end - timedelta(days=400), end)
    for view in store.list_feature_views():
        table = DirectTable(store, keyspace, view.name)
        table.fill(session, end - timedelta(days=400), end, time.time_ns() // 1000)
    close_feature_store(store)
    return Project(written, settings)


@pytest.fixture
def sources(project: Project) -> Iterator[dict[str, FeatureSource]]:
    opened = {"feast": open_feast_source(project.settings), "direct": open_direct_source(project.settings)}
    yield opened
    for source in opened.values():
        source.close()


def test_each_way_joins_the_views_by_the_keys_of_the_request(
    project: Project, sources: dict[str, FeatureSource]
) -> None:
    names = sources["feast"].served.key_names
    assert set(names) == {"transaction_id", "card_id", "merchant_id"}
    keys = [tuple(row[name] for name in names) for row in project.written.keys[:COUNT]]
    transaction, card, merchant = keys[0]
    unknown = [("nobody", card, merchant), (transaction, 7, merchant), (transaction, card, "nobody")]
    found = {name: asyncio.run(source.read([*keys, *unknown, keys[0]])) for name, source in sources.items()}
    assert found["feast"] == found["direct"]
    assert found["feast"][COUNT : COUNT + 3] == [None] * 3
    assert found["feast"][-1] == found["feast"][0]
    stored = {
        row["transaction_id"]: row for row in project.written.tables["transaction_features"].to_pylist()
    }
    for key, item in zip(keys, found["feast"], strict=False):
        assert item.key == key
        assert item.missing == ()
        assert tuple(item.values) == sources["feast"].served.names
        assert item.values["amount"] == stored[key[0]]["amount"]
        assert item.event_timestamp <= stored[key[0]]["timestamp"]


def test_app_judges_by_every_view(project: Project, sources: dict[str, FeatureSource]) -> None:
    source = sources["feast"]
    onnx_model, _ = small_model(source.served)
    scorer = open_scorer(onnx_model, name="fraud_detection", version="1")
    model = model_resource(project.settings, lambda *_: scorer)
    app = create_app(project.settings, open_feast_source, source_name="feast", model=model)
    keys = dict(project.written.keys[0])
    with TestClient(app) as client:
        for resource in app.state.resources:
            resource.wait_until_tried(30)
        answer = client.post("/predict", json=keys)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        assert {name: said[name] for name in keys} == keys
        assert set(said["features"]) == set(source.served.names)
        batch = client.post("/predict/batch", json={"entity_rows": [keys, {**keys, "card_id": 7}]}).json()
        assert batch["predictions"][0]["fraud_probability"] == said["fraud_probability"]
        assert batch["predictions"][1]["error"]["status"] == 404
        assert client.get("/ready").status_code == 200
        assert len(client.get("/console/examples").json()["examples"]) >= 1
        race = client.post("/console/race", json={"reads": 5, "entity_rows": []}).json()
        assert race["differing"] == 0
