"""The services of docker-compose.yml that are this project, behind the profile `serve`."""

import json
import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from container_image import Dockerfile

from poc.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
OURS = {name: item for name, item in COMPOSE["services"].items() if "serve" in item.get("profiles", [])}
SERVERS = {name: item for name, item in OURS.items() if "ports" in item}
DOCKERFILE = Dockerfile(ROOT / "Dockerfile")


def parsed(text: str) -> compose_spec.PyCompose:
    """Parse as Compose does: variables replaced by their defaults, merge keys resolved."""
    filled = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    compose = compose_spec.PyCompose.from_json(json.dumps(filled))
    compose.validate()
    return compose


def test_file_is_what_the_compose_specification_says() -> None:
    assert set(parsed(TEXT).service_names()) == set(COMPOSE["services"])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "read_onli: true"),
        ("condition: service_healthy", "condition: service_healty"),
        ("- feast-data:/app/data:ro", "- fest-data:/app/data:ro"),
    ],
)
def test_mistake_would_be_found(right: str, wrong: str) -> None:
    assert right in TEXT
    with pytest.raises(ValueError):
        parsed(TEXT.replace(right, wrong))


def test_profile_has_both_servers_the_feature_server_and_the_setup() -> None:
    assert set(OURS) == {"setup", "serve-model-feast", "serve-model", "feature-server"}


def test_guide_s_services_start_without_the_profile() -> None:
    assert "profiles" not in COMPOSE["services"]["cassandra"]
    assert "depends_on" not in COMPOSE["services"]["cassandra"]


@pytest.mark.parametrize("service", OURS.values(), ids=list(OURS))
class TestEveryService:
    def test_is_the_image_of_this_folder(self, service: dict[str, Any]) -> None:
        version = DOCKERFILE.labels["org.opencontainers.image.version"]
        assert (service["image"], service["build"]) == (f"feast-cassandra-poc:{version}", ".")

    def test_may_nothing_that_it_does_not_need(self, service: dict[str, Any]) -> None:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert [entry.split(":")[0] for entry in service["tmpfs"]] == ["/tmp"]

    def test_finds_cassandra_and_mlflow_by_the_names_of_their_services(self, service: dict[str, Any]) -> None:
        variables = service["environment"]
        assert {name.lower() for name in variables} <= set(Settings.model_fields)
        assert variables["CASSANDRA_HOSTS"] in COMPOSE["services"]
        scheme, host, port = re.fullmatch(r"(\w+)://(\w+):(\d+)", variables["MLFLOW_TRACKING_URI"]).groups()
        command = COMPOSE["services"][host]["command"]
        assert scheme == "http"
        assert f"--port={port}" in command
        assert any(word.startswith("--allowed-hosts=") and f"{host}:*" in word for word in command)


@pytest.mark.parametrize("service", SERVERS.values(), ids=list(SERVERS))
class TestEveryServer:
    def test_is_published_on_this_machine_only(self, service: dict[str, Any]) -> None:
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])

    def test_publishes_and_checks_the_port_that_it_listens_on(self, service: dict[str, Any]) -> None:
        listens = service["environment"].get("PORT", DOCKERFILE.environment["PORT"])
        assert service["ports"] == [f"127.0.0.1:{listens}:{listens}"]
        check = service["healthcheck"]["test"][-1]
        assert f":{listens}/" in check or "os.environ['PORT']" in check

    def test_asks_for_keys_where_there_are_some(self, service: dict[str, Any]) -> None:
        assert service["environment"]["API_KEYS"] == "${API_KEYS:-off}"

    def test_starts_when_the_setup_is_done(self, service: dict[str, Any]) -> None:
        assert service["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}

    def test_cannot_write_data(self, service: dict[str, Any]) -> None:
        assert service["volumes"] == ["feast-data:/app/data:ro"]


def test_servers_are_where_the_guide_and_the_readme_ask_them() -> None:
    published = {name: service["ports"][0].split(":")[1] for name, service in SERVERS.items()}
    assert published == {"serve-model-feast": "8000", "serve-model": "8001", "feature-server": "6566"}


def test_setup_writes_data_and_waits_for_what_it_needs() -> None:
    setup = OURS["setup"]
    assert setup["volumes"] == ["feast-data:/app/data"]
    assert set(setup["depends_on"]) == {"cassandra", "mlflow"}
    assert {item["condition"] for item in setup["depends_on"].values()} == {"service_healthy"}


def test_setup_runs_files_that_exist_and_stops_at_the_first_that_fails() -> None:
    scripts = re.findall(r"python (\S+)", OURS["setup"]["command"][2])
    assert scripts == ["scripts/feast_setup.py", "scripts/feast_materialize.py", "poc/train_fraud_model.py"]
    assert all((ROOT / script).is_file() for script in scripts)
    assert OURS["setup"]["command"][2].count("&&") == 2


def test_server_has_time_to_stop() -> None:
    from poc.serving.listening import LAST_REQUESTS_SECONDS

    for service in SERVERS.values():
        grace = Settings.model_fields["shutdown_grace_seconds"].default
        assert int(service["stop_grace_period"].removesuffix("s")) > grace + LAST_REQUESTS_SECONDS
