"""deploy/prometheus and deploy/grafana: rules that hold their own tests, a dashboard over what there is."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.monitoring.metrics import SERVING, STATE
from poc.serving.metrics import FRAUD, LEGITIMATE
from poc.serving.problems import listed_problem_types

ROOT = Path(__file__).parents[3]
PROMETHEUS, GRAFANA = ROOT / "deploy/prometheus", ROOT / "deploy/grafana"
GROUPS = [
    group
    for path in sorted(PROMETHEUS.glob("rules/*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
CASES = [
    case
    for path in PROMETHEUS.glob("tests/*.yml")
    for test in yaml.safe_load(path.read_text())["tests"]
    for case in test.get("alert_rule_test", [])
]
DASHBOARD = json.loads((GRAFANA / "dashboards/fraud-serving.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
MONITOR = {name: item for name, item in COMPOSE.items() if "monitor" in item.get("profiles", [])}
# What Prometheus and prometheus_client bring.
OTHERS = {"up", "ALERTS", "process_resident_memory_bytes", "process_cpu_seconds_total"}
OTHERS |= {"process_open_fds", "process_max_fds"}


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def metrics_in(expression: str) -> set[str]:
    """Name the metrics that an expression reads."""
    text = re.sub(r'"[^"]*"', "", expression)
    text = re.sub(r"\b(by|on|without|ignoring|group_left) *\([^)]*\)", "", text)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    functions = {"and", "or", "unless", "offset", "vector"}
    names = re.findall(r"[a-zA-Z_][\w:]*(?![\w:]*\s*\()", text)
    return {
        name for name in names if name not in functions and not re.fullmatch(r"\d+[smhd]|d|h|m|e\d*", name)
    }


def known_metrics() -> set[str]:
    names = RECORDED | OTHERS
    for metric in (*SERVING, *STATE):
        ends = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        names |= {metric.name + end for end in ends}
    return names


def test_configuration_and_rules_are_valid() -> None:
    promtool("check", "config", "prometheus.yml")


def test_rules_hold_their_tests() -> None:
    promtool("test", "rules", *sorted(f"tests/{path.name}" for path in PROMETHEUS.glob("tests/*.yml")))


def test_tests_evaluate_every_group() -> None:
    names = [group["name"] for group in GROUPS]
    for path in PROMETHEUS.glob("tests/*.yml"):
        assert sorted(yaml.safe_load(path.read_text())["group_eval_order"]) == sorted(names)


@pytest.mark.parametrize("alert", ALERTS.values(), ids=list(ALERTS))
class TestEveryAlert:
    def test_has_a_case_in_which_it_fires(self, alert: dict[str, Any]) -> None:
        assert [case for case in CASES if case["alertname"] == alert["alert"] and case["exp_alerts"]]

    def test_has_a_case_in_which_it_is_quiet(self, alert: dict[str, Any]) -> None:
        assert [case for case in CASES if case["alertname"] == alert["alert"] and case["exp_alerts"] == []]

    def test_says_what_how_bad_and_where_to_read_on(self, alert: dict[str, Any]) -> None:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}

    def test_has_a_section_in_the_runbook(self, alert: dict[str, Any]) -> None:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]
        assert anchor == alert["alert"].lower()

    def test_waits_before_it_fires(self, alert: dict[str, Any]) -> None:
        assert re.fullmatch(r"\d+[mh]", alert["for"])


def test_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    headings = re.findall(r"^## ([A-Z]\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert set(headings) - set(ALERTS) <= {"Before", "After"}
    assert set(ALERTS) <= set(headings)


def test_misspelt_metric_would_be_found() -> None:
    expression = 'time() - max by (node) (no_such_metric[5m] offset 1d) > 2 * 3600 and up{job=~"x"} == 0'
    assert metrics_in(expression) - known_metrics() == {"no_such_metric"}


@pytest.mark.parametrize("name", sorted(metric.name for metric in STATE))
def test_server_that_reads_no_more_does_not_outvote_the_others(name: str) -> None:
    """Of moments the newest counts, whoever tells it; the ttl is not read."""
    if name.endswith(("_timestamp_seconds", "_ttl_seconds")):
        return
    expressions = [rule["expr"] for rule in RULES] + [
        target["expr"] for panel in PANELS for target in panel["targets"]
    ]
    for expression in expressions:
        if name in metrics_in(expression):
            assert f"({name} and on (job, instance) job_instance:recent_state_age_seconds:max)" in expression


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert", rule.get("record")))
def test_rules_read_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"]) <= known_metrics()
    assert metrics_in(rule["expr"])


def test_errors_are_the_outcomes_that_are_the_server_s_fault() -> None:
    [expression] = [
        rule["expr"] for rule in RULES if rule.get("record", "").startswith("job_source:prediction_errors")
    ]
    left_out = set(re.search(r'outcome!~"([^"]+)"', expression).group(1).split("|"))
    of_clients = {kind.outcome for kind in listed_problem_types().values() if kind.status in (404, 422)}
    assert left_out == {FRAUD, LEGITIMATE, *of_clients}


def listed(text: str) -> dict[str, list[str]]:
    return {item["labels"]["job"]: item["targets"] for item in yaml.safe_load(text)}


def test_the_two_servers_of_the_guide_are_watched_and_a_third_where_its_comment_is_taken_away() -> None:
    text = (PROMETHEUS / "targets/servers.yml").read_text()
    every = {}
    for path in ROOT.glob("poc/serve_*.py"):
        port = re.search(r"^PORT = (\d+)$", path.read_text(), re.MULTILINE).group(1)
        every[path.stem] = [f"127.0.0.1:{port}"]
    assert listed(text) == {name: every[name] for name in ("serve_model_feast", "serve_model")}
    assert listed(re.sub(r"^# (?=- |  )", "", text, flags=re.MULTILINE)) == every


def test_containers_watch_the_services_that_serve() -> None:
    targets = yaml.safe_load((PROMETHEUS / "targets/compose/servers.yml").read_text())
    for item in targets:
        [address] = item["targets"]
        service, port = address.split(":")
        assert COMPOSE[service]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert {item["targets"][0].split(":")[0] for item in targets} == {
        name for name in COMPOSE if name.startswith("serve-")
    }


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
class TestEveryPanel:
    def test_reads_metrics_that_exist(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            assert metrics_in(target["expr"].replace("$__rate_interval", "1m")) <= known_metrics()

    def test_asks_the_provisioned_datasource(self, panel: dict[str, Any]) -> None:
        provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
        [source] = provisioned["datasources"]
        wanted = {"type": source["type"], "uid": source["uid"]}
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [wanted] * (
            1 + len(panel["targets"])
        )

    def test_has_a_unit(self, panel: dict[str, Any]) -> None:
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_dashboard_shows_the_four_key_metrics_and_traffic() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    for wanted in (
        "Feature retrieval latency",
        "Traffic",
        "Materialization",
        "Feature freshness",
        "Online store size",
    ):
        assert any(row.startswith(wanted) for row in rows)


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_profile_monitor_has_prometheus_and_grafana_on_this_machine_only() -> None:
    assert set(MONITOR) == {"prometheus", "grafana"}
    for service in MONITOR.values():
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["healthcheck"]["test"]


@pytest.mark.parametrize("service", MONITOR.values(), ids=list(MONITOR))
def test_what_is_mounted_is_there_and_read_only(service: dict[str, Any]) -> None:
    files = [volume for volume in service["volumes"] if volume.startswith("./")]
    for volume in files:
        source, _, mode = volume.split(":")
        assert (ROOT / source).exists()
        assert mode == "ro"
    assert files


def test_nobody_can_log_in_to_grafana() -> None:
    variables = MONITOR["grafana"]["environment"]
    assert {
        name: value for name, value in variables.items() if name.startswith(("GF_AUTH", "GF_SECURITY"))
    } == {
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    }


def test_grafana_finds_its_dashboards_where_they_are_mounted() -> None:
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/dashboards.yml").read_text())["providers"]
    mounted = {volume.split(":")[1] for volume in MONITOR["grafana"]["volumes"]}
    assert {provider["options"]["path"] for provider in providers} <= mounted
    home = MONITOR["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (GRAFANA / "dashboards" / Path(home).name).is_file()
