"""`feast plan` over the definitions: what CI runs to see that Feast takes them, without a Cassandra."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def plan(project: Path) -> "subprocess.CompletedProcess[str]":
    return run_plan(project)


def run_plan(project: Path) -> "subprocess.CompletedProcess[str]":
    # No port 1 answers: planning must not need the store.
    yaml = project / "feature_repo/feature_store.yaml"
    yaml.write_text(yaml.read_text().replace("port: 9042", "port: 1"))
    return subprocess.run(
        [str(Path(sys.executable).with_name("feast")), "-c", "feature_repo", "plan"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_definitions_are_planned_as_declared(plan: "subprocess.CompletedProcess[str]") -> None:
    assert plan.returncode == 0, plan.stderr
    lines = [line for line in plan.stdout.splitlines() if line]
    assert lines == [
        "Created entity transaction",
        "Created feature view transaction_features",
        "Created feature service fraud_detection_v1",
        "No changes to infrastructure",
    ]


def test_definitions_that_feast_cannot_use_are_refused(project: Path) -> None:
    features = project / "feature_repo/features.py"
    key = 'Field(name="transaction_id", dtype='
    assert f"{key}String)" in features.read_text()
    features.write_text(features.read_text().replace(f"{key}String)", f"{key}Int64)"))
    refused = run_plan(project)
    assert refused.returncode == 1
    assert "Entity transaction has type ValueType.STRING" in refused.stderr
