"""docker-compose.yml as a file: no Docker engine is needed, and none proves more than these promises."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.database.docker import SERVICE

COMPOSE = yaml.safe_load((Path(__file__).parents[3] / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def test_the_services_are_the_guide_s() -> None:
    assert set(SERVICES) == {SERVICE, "mlflow"}


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
class TestEveryService:
    def test_listens_on_this_machine_only(self, service: dict[str, Any]) -> None:
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])

    def test_has_a_pinned_image(self, service: dict[str, Any]) -> None:
        name, _, tag = service["image"].rpartition(":")
        assert name
        assert tag.lstrip("v").count(".") == 2

    def test_has_a_health_check(self, service: dict[str, Any]) -> None:
        assert service["healthcheck"]["test"][0] == "CMD"

    def test_keeps_its_data_in_a_named_volume(self, service: dict[str, Any]) -> None:
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(COMPOSE["volumes"])


def test_cassandra_s_port_is_9042_unless_cassandra_port_says_otherwise() -> None:
    assert SERVICES[SERVICE]["ports"] == ["127.0.0.1:${CASSANDRA_PORT:-9042}:9042"]


def test_mlflow_s_server_is_of_the_version_of_its_client() -> None:
    from importlib.metadata import version

    assert SERVICES["mlflow"]["image"].rpartition(":")[2] == f"v{version('mlflow')}"
