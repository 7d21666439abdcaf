"""Live servers on a real Cassandra, watched by a real Prometheus with our rules; the dashboard's queries."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from few_records import TRANSACTIONS
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families
from server_process import ServerProcess
from small_model import register
from tcp_proxy import TcpProxy

from poc.definitions import ServedFeatures
from poc.monitoring.local_programs import Program, run_program
from poc.monitoring.metrics import SERVING, STATE
from poc.online_store.connection import DEFAULT_TIMEOUT_SECONDS, ConnectionSettings
from poc.settings import Settings

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/fraud-serving.json").read_text())
QUERIES = [
    (f"{panel['title']} {target['refId']}", target["expr"])
    for panel in DASHBOARD["panels"]
    if panel["type"] != "row"
    for target in panel["targets"]
]
# Four times the scrape interval, as Grafana reckons.
VARIABLES = {"$__rate_interval": "4s", "$job": DASHBOARD["templating"]["list"][0]["allValue"]}
OF_THE_PROCESS = re.compile(r"process_\w+|python_info")


@dataclass(frozen=True, slots=True)
class Watched:
    """Two servers: `direct` reaches Cassandra through `proxy`. And the Prometheus that watches them."""

    feast: ServerProcess
    direct: ServerProcess
    proxy: TcpProxy
    prometheus: str

    def ask(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.prometheus}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[Any]:
        return self.ask("query", query=expression)["result"]


@pytest.fixture(scope="module")
def materialized(workplace: Any, definitions: ServedFeatures) -> dict[str, str]:
    """Features materialized by the guide's scripts, a small model registered; gives a server's variables."""
    workplace.shell("python scripts/feast_setup.py; python scripts/feast_materialize.py")
    data = workplace.folder / "data"
    settings = Settings(_env_file=None, data_dir=data, mlflow_tracking_uri=f"sqlite:///{data}/mlflow.db")
    register(settings, definitions)
    return {
        **workplace.environment,
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "METRICS_REFRESH_SECONDS": "0.5",
    }


@pytest.fixture(scope="module")
def watched(
    materialized: dict[str, str],
    workplace: Any,
    cassandra: ConnectionSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    by_proxy = materialized | {"CASSANDRA_HOSTS": "127.0.0.1", "CASSANDRA_PORT": str(proxy.port)}
    feast = ServerProcess("poc/serve_model_feast.py", free_port(), materialized, workplace.folder)
    direct = ServerProcess("poc/serve_model.py", free_port(), by_proxy, workplace.folder)
    folder = tmp_path_factory.mktemp("prometheus")
    program = prometheus_for({"serve_model_feast": feast, "serve_model": direct}, folder)
    try:
        with run_program(program, folder) as started:
            for server in (feast, direct):
                server.wait_until_ready()
            assert started.wait_until_ready(lambda: False)
            watched = Watched(feast, direct, proxy, program.url)

            def are_seen_to_predict() -> bool:
                # A rate is of what came since Prometheus first looked.
                for server in (feast, direct):
                    assert server.predict("12345").status_code == 200
                return answered(watched, "count(job_source:predictions:rate_5m > 0) == 2")

            for _ in range(60):
                are_seen_to_predict()
            wait_until(are_seen_to_predict)
            yield watched
    finally:
        for server in (feast, direct):
            server.kill()
        proxy.cut()


def prometheus_for(servers: dict[str, ServerProcess], folder: Path) -> Program:
    """Our configuration with these targets, every interval a second."""
    shutil.copytree(ROOT / "deploy/prometheus", folder / "files")
    configuration = folder / "files/prometheus.yml"
    text = re.sub(
        r"(scrape_interval|scrape_timeout|evaluation_interval): \w+", r"\1: 1s", configuration.read_text()
    )
    configuration.write_text(text)
    targets = [
        {"targets": [server.url.removeprefix("http://")], "labels": {"job": job}}
        for job, server in servers.items()
    ]
    (folder / "files/targets/servers.yml").write_text(yaml.safe_dump(targets))
    port = free_port()
    command = (
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    return Program("Prometheus", command, port, "PROMETHEUS_PORT", "/-/ready", 60)


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def answered(watched: Watched, expression: str) -> bool:
    return bool(watched.query(expression))


def shown(server: ServerProcess) -> dict[str, float]:
    """What the server's own page says: the sum over the labels, by name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_both_servers_are_watched_under_the_names_of_their_scripts(watched: Watched) -> None:
    targets = watched.ask("targets")["activeTargets"]
    assert {item["labels"]["job"]: item["health"] for item in targets} == {
        "serve_model_feast": "up",
        "serve_model": "up",
    }


def test_every_rule_is_evaluated_without_an_error(watched: Watched) -> None:
    def rules() -> list[Any]:
        return [rule for group in watched.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}
    assert len(rules()) > 20


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES])
def test_panel_of_the_dashboard_shows_something(watched: Watched, query: str) -> None:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query

    def served_and_shown() -> bool:
        # A rate covers some seconds only: what it counts goes on while it is asked for.
        for server in (watched.feast, watched.direct):
            server.predict("12345")
        return answered(watched, query)

    wait_until(served_and_shown)


def test_dashboard_offers_the_servers_to_choose_from(watched: Watched) -> None:
    [variable] = DASHBOARD["templating"]["list"]
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
    found = {series[label] for series in watched.ask("series", **{"match[]": selector})}
    assert found == {"serve_model_feast", "serve_model"}


@pytest.mark.parametrize("name", ["feast", "direct"])
def test_server_shows_what_is_declared_and_nothing_else(watched: Watched, name: str) -> None:
    families = text_string_to_metric_families(getattr(watched, name).get("/metrics").text)
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if not OF_THE_PROCESS.fullmatch(family.name) and not family.name.endswith("_created")
    }
    # Nothing has failed yet.
    absent = {"materialization_last_failure_timestamp_seconds"}
    assert shown == {metric.name for metric in (*SERVING, *STATE)} - absent


def test_state_is_what_the_guide_left(watched: Watched) -> None:
    found = shown(watched.feast)
    assert found["materialization_rows"] == TRANSACTIONS
    assert 0 < found["materialization_write_duration_seconds"] < found["materialization_duration_seconds"]
    assert (
        found["materialization_last_attempt_timestamp_seconds"]
        < found["materialization_last_success_timestamp_seconds"]
    )
    now = time.time()
    assert now - 600 < found["feature_view_materialized_until_timestamp_seconds"] < now
    assert (
        found["feature_view_newest_event_timestamp_seconds"]
        < (found["feature_view_materialized_until_timestamp_seconds"])
    )
    # Two tables, with every transaction each.
    assert found["online_store_entities_estimate"] == pytest.approx(2 * TRANSACTIONS, rel=0.15)


def test_failed_run_is_seen_until_one_succeeds(watched: Watched, workplace: Any) -> None:
    own = workplace.folder / "data/credit_card_fraud_10k.csv"
    own.write_text("transaction_id,amount\n1,2.5\n")
    try:
        failed = workplace.shell("python scripts/feast_materialize.py", check=False)
        assert failed.returncode == 1
    finally:
        own.unlink()
    wait_until(lambda: shown(watched.feast)["materialization_failures_in_a_row"] == 1)
    assert time.time() - shown(watched.feast)["materialization_last_failure_timestamp_seconds"] < 60
    told = workplace.shell("python scripts/show_materializations.py", check=False)
    assert told.returncode == 1
    assert "ColumnsMissing" in told.stdout
    workplace.shell("python scripts/feast_materialize.py")
    wait_until(lambda: shown(watched.feast)["materialization_failures_in_a_row"] == 0)
    assert shown(watched.feast)["materialization_rows"] == 0


@pytest.mark.alone
def test_scrape_does_not_wait_for_a_cassandra_that_hangs(watched: Watched) -> None:
    watched.proxy.stall()
    try:
        # A read is due every half a second: one is under way, and waits.
        wait_until(lambda: time.time() - shown(watched.direct)["state_last_read_timestamp_seconds"] > 3)
        begun = time.perf_counter()
        for _ in range(5):
            shown(watched.direct)
        assert time.perf_counter() - begun < DEFAULT_TIMEOUT_SECONDS / 4
    finally:
        watched.proxy.resume()


def test_without_cassandra_a_scrape_shows_what_was_known(watched: Watched) -> None:
    server, now = watched.direct, time.time()
    # A read that was stalled before may end now, with what was so then; a later one is not it.
    wait_until(lambda: shown(server)["state_last_read_timestamp_seconds"] > now + 1)
    before = shown(server)
    watched.proxy.cut()
    wait_until(lambda: shown(server)["state_read_failures_total"] > before["state_read_failures_total"], 60)
    wait_until(lambda: shown(server)["component_ready"] == 1)  # The model alone.
    read = shown(server)["state_last_read_timestamp_seconds"]
    found = shown(server)
    assert found["state_last_read_timestamp_seconds"] == read
    for name in ("feature_view_materialized_until_timestamp_seconds", "online_store_size_bytes"):
        assert found[name] == before[name]
    wait_until(lambda: answered(watched, 'ALERTS{alertname="FeaturesNotReady", alertstate="pending"}'))
    watched.proxy.restore()
    wait_until(lambda: shown(server)["state_last_read_timestamp_seconds"] > read, 60)
