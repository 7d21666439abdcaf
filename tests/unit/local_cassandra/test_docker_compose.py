"""docker-compose.yml as a file: no Docker engine is needed, and none proves more than these promises."""

from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.local_cassandra.docker import SERVICE

CLUSTER = ("cassandra-1", "cassandra-2", "cassandra-3")
COMPOSE = yaml.safe_load((Path(__file__).parents[3] / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def test_the_services_without_a_profile_are_the_guide_s() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {SERVICE, "mlflow"}


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
class TestEveryService:
    def test_listens_on_this_machine_only(self, service: dict[str, Any]) -> None:
        assert all(ip_address(port.split(":")[0]).is_loopback for port in service.get("ports", ()))

    def test_has_a_pinned_image(self, service: dict[str, Any]) -> None:
        name, _, tag = service["image"].rpartition(":")
        assert name
        assert tag.lstrip("v").count(".") == 2

    def test_has_a_health_check(self, service: dict[str, Any]) -> None:
        check = service["healthcheck"]
        # One that runs to its end is waited for by its exit status.
        assert check.get("disable") or check["test"][0] == "CMD"

    def test_keeps_its_data_in_a_named_volume(self, service: dict[str, Any]) -> None:
        # Files of the project are what it reads, not what it keeps.
        kept = {volume.split(":")[0] for volume in service["volumes"] if not volume.startswith("./")}
        assert kept
        assert kept <= set(COMPOSE["volumes"])


def test_cassandra_s_port_is_9042_unless_cassandra_port_says_otherwise() -> None:
    assert SERVICES[SERVICE]["ports"] == ["127.0.0.1:${CASSANDRA_PORT:-9042}:9042"]


def test_mlflow_s_server_is_of_the_version_of_its_client() -> None:
    from importlib.metadata import version

    assert SERVICES["mlflow"]["image"].rpartition(":")[2] == f"v{version('mlflow')}"


class TestCluster:
    def test_its_nodes_are_those_of_the_cluster_s_yaml(self) -> None:
        path = Path(__file__).parents[3] / "feature_repo/stores/cluster.yaml"
        stated = yaml.safe_load(path.read_text())["online_store"]
        listening = [port for name in CLUSTER for port in SERVICES[name]["ports"]]
        assert listening == [f"{host}:{stated['port']}:9042" for host in stated["hosts"]]

    def test_each_node_tells_clients_the_address_it_listens_at(self) -> None:
        for name in CLUSTER:
            told = SERVICES[name]["environment"]["CASSANDRA_BROADCAST_RPC_ADDRESS"]
            assert SERVICES[name]["ports"][0].startswith(f"{told}:")

    def test_it_is_started_on_demand_only_with_small_heaps(self) -> None:
        assert all(SERVICES[name]["profiles"] == ["cluster"] for name in CLUSTER)
        assert {SERVICES[name]["environment"]["MAX_HEAP_SIZE"] for name in CLUSTER} == {"512M"}

    def test_a_node_joins_after_the_one_before_it(self) -> None:
        healthy = {"condition": "service_healthy"}
        for before, name in pairwise(CLUSTER):
            assert SERVICES[name]["depends_on"] == {before: healthy}

    def test_each_node_has_a_volume_of_its_own(self) -> None:
        assert len({SERVICES[name]["volumes"][0] for name in CLUSTER}) == len(CLUSTER)
