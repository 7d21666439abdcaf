from typing import Any

from feast.protos.feast.core.Registry_pb2 import Registry
from starlette.testclient import TestClient

from poc.pages.registry import ui_app


def test_page_finds_the_projects_registry(registered: Any) -> None:
    with registered() as store:
        client = TestClient(ui_app(store))
        project = client.get("/projects-list.json").json()["projects"][0]
        registry = Registry.FromString(client.get(project["registryPath"]).content)

    assert project["id"] == store.project
    assert [view.spec.name for view in registry.feature_views] == ["transaction_features"]
    assert [entity.spec.name for entity in registry.entities] == ["transaction"]


def test_registry_is_read_anew(registered: Any) -> None:
    with registered() as store:
        client = TestClient(ui_app(store))
        before = Registry.FromString(client.get("/registry").content)
        store.delete_feature_service("fraud_detection_v1")
        after = Registry.FromString(client.get("/registry").content)

    assert [len(before.feature_services), len(after.feature_services)] == [1, 0]


def test_place_inside_the_page_is_answered_by_the_page(registered: Any) -> None:
    with registered() as store:
        client = TestClient(ui_app(store))
        assert client.get("/p/any/feature-view/x").text == client.get("/").text


def test_page_may_load_from_this_server_only(registered: Any) -> None:
    with registered() as store:
        policy = TestClient(ui_app(store)).get("/").headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "http" not in policy
