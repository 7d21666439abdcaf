"""The manifests against each other and against the code: what a schema cannot know."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from container_image import Dockerfile, context_files
from manifests import (
    FOLDER,
    all_containers,
    applied,
    containers,
    kustomization,
    label,
    of_kind,
    optional,
    pod_template,
    pods,
    the,
)

from poc.serving.edge import ALWAYS_OPEN
from poc.serving.listening import LAST_REQUESTS_SECONDS
from poc.settings import Settings

ROOT = FOLDER.parents[1]
DOCKERFILE = Dockerfile(ROOT / "Dockerfile")
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
IMAGE = f"feast-cassandra-poc:{VERSION[1] if VERSION else None}"
CONTAINERS = all_containers()
PODS = pods()
SERVING = [item for item in PODS if "serves" in item[1]["metadata"]["labels"]]
JOBS = [item for item in PODS if item[0].partition("/")[0] in ("Job", "CronJob")]
SETTINGS = the("ConfigMap", "fraud-settings")["data"]
# Variables that no field of Settings stands for, and who reads them.
OTHERS = {
    "CASSANDRA_REPLICATION_FACTOR": "feature_repo/stores/container.yaml",
    "PROTOCOL": "KServe",
}


def ids(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {"argvalues": [item for _, item in items], "ids": [name for name, _ in items]}


def variables(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in template["spec"]["containers"][0]["env"]}


def ports(template: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}


class TestTheFiles:
    def test_kustomization_lists_every_file_beside_it(self) -> None:
        beside = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
        assert set(kustomization()["resources"]) == beside

    def test_every_object_is_in_the_namespace_that_is_made(self) -> None:
        namespace = of_kind("Namespace")[0]["metadata"]["name"]
        namespaces = {
            item["metadata"]["namespace"] for item in applied() + optional() if item["kind"] != "Namespace"
        }
        assert namespaces == {namespace, kustomization()["namespace"]} == {namespace}

    def test_names_are_not_given_twice(self) -> None:
        names = [label(item) for item in applied() + optional()]
        assert sorted(set(names)) == sorted(names)

    def test_namespace_refuses_pods_that_are_not_restricted(self) -> None:
        labels = of_kind("Namespace")[0]["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_no_file_holds_the_value_of_a_secret(self) -> None:
        assert [item for item in applied() + optional() if item["kind"] == "Secret"] == []
        for name, container in CONTAINERS:
            for variable in container.get("env", []):
                if re.search("PASSWORD|USERNAME|SECRET|TOKEN|KEY", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"], name
        assert [name for name in SETTINGS if re.search("PASSWORD|USERNAME|SECRET|TOKEN", name)] == []
        assert "@" not in SETTINGS["MLFLOW_TRACKING_URI"]

    def test_secret_that_the_pods_refer_to_is_the_one_the_external_secret_fills(self) -> None:
        filled = {
            (item["spec"]["target"]["name"], part["secretKey"])
            for item in of_kind("ExternalSecret")
            for part in item["spec"]["data"]
        }
        references = [
            variable["valueFrom"]["secretKeyRef"]
            for _, container in CONTAINERS
            for variable in container.get("env", [])
            if "valueFrom" in variable
        ]
        assert {(item["name"], item["key"]) for item in references} == filled


@pytest.mark.parametrize("container", **ids(CONTAINERS))
class TestEveryContainer:
    def test_has_the_image_of_this_version(self, container: dict[str, Any]) -> None:
        assert container["image"] == IMAGE

    def test_may_nothing_that_it_does_not_need(self, container: dict[str, Any]) -> None:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_states_its_resources(self, container: dict[str, Any]) -> None:
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"memory"}

    def test_every_variable_is_read_by_something(self, container: dict[str, Any]) -> None:
        named = {variable["name"] for variable in container.get("env", [])}
        named |= {name for source in container.get("envFrom", []) for name in _config_map(source)}
        known = {name.upper() for name in Settings.model_fields} | set(OTHERS)
        assert named <= known

    def test_command_names_a_file_of_the_image(self, container: dict[str, Any]) -> None:
        words = container["command"]
        assert words[0] in ("python", "cp")
        for word in words[1:]:
            if word.startswith(("poc/", "scripts/", "feature_repo")):
                source = word.split("/")[0]
                assert source in [copied for copied, _ in DOCKERFILE.copies()]
                sent = context_files(ROOT, source)
                assert any(name == word or name.startswith(f"{word}/") for name in sent)


def _config_map(source: dict[str, Any]) -> set[str]:
    return set(the("ConfigMap", source["configMapRef"]["name"])["data"])


@pytest.mark.parametrize("template", **ids(PODS))
class TestEveryPod:
    def test_runs_as_the_image_s_user_who_is_not_root(self, template: dict[str, Any]) -> None:
        uid, gid = DOCKERFILE.user()
        context = template["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (uid, gid, gid)
        assert uid != 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}

    def test_has_no_token_for_the_kubernetes_api(self, template: dict[str, Any]) -> None:
        assert template["spec"]["automountServiceAccountToken"] is False
        assert the("ServiceAccount", template["spec"]["serviceAccountName"])

    def test_mounts_only_volumes_that_it_declares(self, template: dict[str, Any]) -> None:
        declared = {volume["name"] for volume in template["spec"]["volumes"]}
        mounted = {mount["name"] for container in containers(template) for mount in container["volumeMounts"]}
        assert mounted == declared

    def test_volume_claim_is_one_of_these_manifests(self, template: dict[str, Any]) -> None:
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in template["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        assert claims == [claim["metadata"]["name"] for claim in of_kind("PersistentVolumeClaim")]

    def test_can_write_to_tmp_where_the_image_sends_what_libraries_write(
        self, template: dict[str, Any]
    ) -> None:
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        for container in template["spec"]["containers"]:
            mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
            assert "emptyDir" in volumes[mounts["/tmp"]["name"]]
            assert not mounts["/tmp"].get("readOnly")

    def test_may_reach_cassandra_and_mlflow(self, template: dict[str, Any]) -> None:
        policy = the("NetworkPolicy", "reach-what-is-needed")["spec"]
        assert _selects(policy["podSelector"]["matchLabels"], template)
        allowed = [
            (rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
            for rule in policy["egress"]
            for port in rule["ports"]
        ]
        mlflow = re.fullmatch(
            r"http://[^.]+\.([^.]+)\.svc\.cluster\.local:(\d+)", SETTINGS["MLFLOW_TRACKING_URI"]
        )
        assert mlflow is not None
        assert (mlflow[1], int(mlflow[2])) in allowed
        for host in SETTINGS["CASSANDRA_HOSTS"].split(","):
            assert (host.split(".")[1], int(SETTINGS["CASSANDRA_PORT"])) in allowed


def _selects(wanted: dict[str, str], template: dict[str, Any]) -> bool:
    return wanted.items() <= template["metadata"]["labels"].items()


def test_everything_is_denied_first() -> None:
    policy = the("NetworkPolicy", "deny-all")["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("template", **ids(SERVING))
class TestEveryServer:
    def test_listens_where_its_command_or_the_image_says(self, template: dict[str, Any]) -> None:
        stated = variables(template).get("PORT", {"value": DOCKERFILE.environment["PORT"]})
        assert ports(template) == {"http": int(stated["value"])}

    def test_asks_for_a_key_that_has_to_be_there(self, template: dict[str, Any]) -> None:
        reference = variables(template)["API_KEYS"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": "api-keys", "key": "keys"}
        assert "API_KEYS" not in SETTINGS

    def test_port_is_let_in(self, template: dict[str, Any]) -> None:
        opened = [
            port["port"]
            for policy in of_kind("NetworkPolicy")
            if policy["spec"].get("ingress")
            and _selects(policy["spec"]["podSelector"]["matchLabels"], template)
            for rule in policy["spec"]["ingress"]
            for port in rule["ports"]
        ]
        assert opened == list(ports(template).values())

    def test_probes_ask_its_port_for_pages_that_it_has(self, template: dict[str, Any]) -> None:
        container = template["spec"]["containers"][0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["port"] in ports(template)
            assert asked["path"] in ALWAYS_OPEN

    def test_liveness_does_not_depend_on_cassandra(self, template: dict[str, Any]) -> None:
        container = template["spec"]["containers"][0]
        assert container["livenessProbe"]["httpGet"]["path"].endswith("/live")
        assert container["startupProbe"]["httpGet"] == container["livenessProbe"]["httpGet"]

    def test_reads_its_data_only(self, template: dict[str, Any]) -> None:
        claims = {
            volume["name"] for volume in template["spec"]["volumes"] if "persistentVolumeClaim" in volume
        }
        mounts = template["spec"]["containers"][0]["volumeMounts"]
        assert [mount["readOnly"] for mount in mounts if mount["name"] in claims] == [True]

    def test_has_time_to_stop(self, template: dict[str, Any]) -> None:
        container = template["spec"]["containers"][0]
        waits = float(SETTINGS["SHUTDOWN_GRACE_SECONDS"])
        stop = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if stop is not None:
            waits = float(stop[1])
        assert template["spec"]["terminationGracePeriodSeconds"] > waits + LAST_REQUESTS_SECONDS
        probe = container["readinessProbe"]
        assert waits > probe["periodSeconds"] * probe["failureThreshold"]


DEPLOYMENTS = [(label(item), item) for item in of_kind("Deployment")]


@pytest.mark.parametrize("deployment", **ids(DEPLOYMENTS))
class TestEveryDeployment:
    def test_selects_its_own_pods(self, deployment: dict[str, Any]) -> None:
        template = deployment["spec"]["template"]
        assert _selects(deployment["spec"]["selector"]["matchLabels"], template)
        for constraint in template["spec"]["topologySpreadConstraints"]:
            assert _selects(constraint["labelSelector"]["matchLabels"], template)

    @pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget"])
    def test_others_select_its_pods_and_no_other_s(self, deployment: dict[str, Any], kind: str) -> None:
        other = the(kind, deployment["metadata"]["name"])["spec"]["selector"]
        wanted = other.get("matchLabels", other)
        selected = [name for name, template in PODS if _selects(wanted, template)]
        assert selected == [label(deployment)]

    def test_service_leads_to_a_port_of_the_container(self, deployment: dict[str, Any]) -> None:
        opened = ports(deployment["spec"]["template"])
        for port in the("Service", deployment["metadata"]["name"])["spec"]["ports"]:
            assert port["targetPort"] in opened
            assert port["port"] == opened[port["targetPort"]]

    def test_autoscaler_scales_it_and_alone_says_how_many(self, deployment: dict[str, Any]) -> None:
        scaler = the("HorizontalPodAutoscaler", deployment["metadata"]["name"])["spec"]
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
        assert scaler["scaleTargetRef"] == target
        assert "replicas" not in deployment["spec"]
        # Below two there is no other pod while one is moved.
        assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]


class TestTheJobs:
    @pytest.mark.parametrize("template", **ids(JOBS))
    def test_write_their_data(self, template: dict[str, Any]) -> None:
        for container in containers(template):
            mount = next(item for item in container["volumeMounts"] if item["mountPath"] == "/app/data")
            assert not mount.get("readOnly")

    @pytest.mark.parametrize("template", **ids(JOBS))
    def test_every_script_explains_itself(self, template: dict[str, Any]) -> None:
        for container in containers(template):
            program, script, *options = container["command"]
            assert program == "python"
            told = subprocess.run(
                [sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
            assert all(option in told for option in options)

    def test_hourly_one_never_overlaps_itself_and_ends_before_the_next(self) -> None:
        spec = the("CronJob", "fraud-materialize")["spec"]
        assert spec["schedule"].split()[1:] == ["*"] * 4
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["startingDeadlineSeconds"] + spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 3600

    def test_setup_goes_the_guide_s_way(self) -> None:
        template = pod_template(the("Job", "fraud-setup"))
        assert template is not None
        assert [item["command"][1] for item in containers(template)] == [
            "scripts/feast_setup.py",
            "scripts/feast_materialize.py",
            "poc/train_fraud_model.py",
        ]


class TestSeldon:
    def test_has_the_guide_s_block(self) -> None:
        guide = (ROOT / "docs/guide.md").read_text()
        block = re.search(r"### With Seldon Core.*?```yaml\n(.*?)```", guide, re.DOTALL)
        assert block is not None
        wanted = yaml.safe_load(block[1])["env"]
        container = of_kind("SeldonDeployment")[0]["spec"]["predictors"][0]["componentSpecs"][0]["spec"][
            "containers"
        ][0]
        assert [item for item in container["env"] if item in wanted] == wanted

    def test_feature_repository_is_mounted_where_the_guide_has_it_and_filled_first(self) -> None:
        pod = of_kind("SeldonDeployment")[0]["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
        server, filler = pod["containers"][0], pod["initContainers"][0]
        place = next(item["value"] for item in server["env"] if item["name"] == "FEAST_REPO_PATH")
        mounts = {item["mountPath"]: item["name"] for item in server["volumeMounts"]}
        assert {"mountPath": place, "name": mounts[place]} in filler["volumeMounts"]
        assert filler["command"][-1] == place
        # The repository's link to ../data, which is copied as a link, then leads to the volume.
        assert str((ROOT / "feature_repo/data").readlink()) == "../data"
        assert mounts[str(Path(place).parent / "data")] == "data"
