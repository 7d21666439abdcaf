"""The manifests of deploy/kubernetes, as Kubernetes would be given them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
Manifest = dict[str, Any]


def kustomization() -> Manifest:
    """Read kustomization.yaml."""
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


def read(path: Path) -> list[Manifest]:
    """Read the objects of one file."""
    return [item for item in yaml.safe_load_all(path.read_text()) if item is not None]


def applied() -> list[Manifest]:
    """Give the objects that `kubectl apply -k` applies."""
    return [item for name in kustomization()["resources"] for item in read(FOLDER / name)]


def optional() -> list[Manifest]:
    """Give the objects that need something more in the cluster."""
    return [item for path in sorted(FOLDER.glob("optional/*.yaml")) for item in read(path)]


def of_kind(kind: str) -> list[Manifest]:
    """Give the objects of one kind."""
    return [item for item in applied() + optional() if item["kind"] == kind]


def the(kind: str, name: str) -> Manifest:
    """Give one object."""
    return next(item for item in of_kind(kind) if item["metadata"]["name"] == name)


def label(item: Manifest) -> str:
    """Name an object for a person."""
    return f"{item['kind']}/{item['metadata']['name']}"


def pod_template(item: Manifest) -> Manifest | None:
    """Give metadata and spec of the pods that an object makes; None if it makes none."""
    spec = item.get("spec", {})
    kind = item["kind"]
    if kind in ("Deployment", "Job"):
        return spec["template"]
    if kind == "CronJob":
        return spec["jobTemplate"]["spec"]["template"]
    if kind == "SeldonDeployment":
        return spec["predictors"][0]["componentSpecs"][0]
    if kind == "InferenceService":
        predictor = dict(spec["predictor"])
        # What KServe adds to a pod's own fields.
        own = {name: predictor.pop(name) for name in ("labels", "minReplicas", "maxReplicas")}
        return {"metadata": {"labels": own["labels"]}, "spec": predictor}
    return None


def pods() -> list[tuple[str, Manifest]]:
    """Give every pod template with the name of its owner."""
    owners = [(label(item), pod_template(item)) for item in applied() + optional()]
    return [(owner, template) for owner, template in owners if template is not None]


def containers(template: Manifest) -> Iterator[Manifest]:
    """Give all containers of a pod template, those that only prepare it too."""
    yield from template["spec"].get("initContainers", [])
    yield from template["spec"]["containers"]


def all_containers() -> list[tuple[str, Manifest]]:
    """Give every container with a name that tells it from the others."""
    return [
        (f"{owner}:{container['name']}", container)
        for owner, template in pods()
        for container in containers(template)
    ]
