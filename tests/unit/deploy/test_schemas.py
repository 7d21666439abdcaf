"""The manifests against the schemas of Kubernetes itself, which the package kubernetes-validate carries.

No package to be had here carries the schemas of Seldon Core, KServe and External Secrets. Of those the pod
inside is held to Kubernetes' schema, and what is around it is checked by hand against their documentation.
"""

import copy
from typing import Any

import kubernetes_validate
import pytest
from kubernetes_validate import ValidationError
from manifests import applied, label, of_kind, optional, pod_template, the

# The oldest that is meant to work, and the newest that the package knows.
VERSIONS = ("1.31", "1.37")


def validate(item: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("item", applied(), ids=label)
def test_object_is_what_kubernetes_takes(item: dict[str, Any], version: str) -> None:
    validate(item, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("item", of_kind("SeldonDeployment") + of_kind("InferenceService"), ids=label)
def test_pod_inside_is_what_kubernetes_takes(item: dict[str, Any], version: str) -> None:
    template = pod_template(item)
    assert template is not None
    metadata = {"name": "inside", **template["metadata"]}
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, version)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "template", "spec", "terminationGracePeriodSecs"), 45),
        (("spec", "template", "spec", "containers", 0, "readinessProbe", "periodSeconds"), "3s"),
        (("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), "8000"),
    ],
)
def test_mistake_would_be_found(path: tuple[str | int, ...], value: object) -> None:
    item = copy.deepcopy(the("Deployment", "serve-model-feast"))
    inner: Any = item
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(ValidationError):
        validate(item, VERSIONS[-1])


def test_only_objects_that_need_more_in_the_cluster_are_optional() -> None:
    assert {(item["apiVersion"], item["kind"]) for item in optional()} == {
        ("external-secrets.io/v1", "ExternalSecret"),
        ("machinelearning.seldon.io/v1", "SeldonDeployment"),
        ("serving.kserve.io/v1beta1", "InferenceService"),
    }


class TestSeldonDeployment:
    """What its CRD and its webhook ask for, by their documentation."""

    seldon = of_kind("SeldonDeployment")[0]
    predictor = seldon["spec"]["predictors"][0]

    def test_has_only_known_keys(self) -> None:
        assert set(self.seldon["spec"]) == {"protocol", "predictors"}
        assert set(self.predictor) == {"name", "replicas", "annotations", "graph", "componentSpecs"}
        assert set(self.predictor["graph"]) == {"name", "type"}

    def test_speaks_the_open_inference_protocol(self) -> None:
        assert self.seldon["spec"]["protocol"] == "v2"

    def test_graph_is_one_model_that_is_a_container_of_the_pod(self) -> None:
        graph = self.predictor["graph"]
        assert graph["type"] == "MODEL"
        assert graph["name"] in [
            item["name"] for item in self.predictor["componentSpecs"][0]["spec"]["containers"]
        ]

    def test_requests_reach_the_server_as_they_are(self) -> None:
        # Seldon's executor would ask for /v2/models/<name of the container>/infer.
        assert self.predictor["annotations"]["seldon.io/no-engine"] == "true"

    def test_port_has_the_name_that_seldon_looks_for(self) -> None:
        container = self.predictor["componentSpecs"][0]["spec"]["containers"][0]
        assert [port["name"] for port in container["ports"]] == ["http"]


class TestInferenceService:
    """What KServe asks for of a predictor that is a container of one's own, by its documentation."""

    service = of_kind("InferenceService")[0]
    predictor = service["spec"]["predictor"]

    def test_container_has_the_name_that_kserve_looks_for(self) -> None:
        assert [item["name"] for item in self.predictor["containers"]] == ["kserve-container"]

    def test_speaks_the_open_inference_protocol(self) -> None:
        assert {"name": "PROTOCOL", "value": "v2"} in self.predictor["containers"][0]["env"]

    def test_runs_without_knative(self) -> None:
        annotations = self.service["metadata"]["annotations"]
        assert annotations["serving.kserve.io/deploymentMode"] == "RawDeployment"
