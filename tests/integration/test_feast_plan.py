"""`feast plan` over the definitions: what CI runs to see that Feast takes them, without a Cassandra."""

import socket
import subprocess
from pathlib import Path

import pytest
from warm_python import warm, warm_programs


@pytest.fixture
def plan(project: Path) -> "subprocess.CompletedProcess[str]":
    return run_plan(project)


def run_plan(project: Path) -> "subprocess.CompletedProcess[str]":
    # No port 1 answers: planning must not need the store.
    yaml = project / "feature_repo/feature_store.yaml"
    yaml.write_text(yaml.read_text().replace("port: 9042", "port: 1"))
    return subprocess.run(
        [warm("feast"), "-c", "feature_repo", "plan"],
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


def test_command_that_is_killed_while_it_asks_leaves_the_others_their_quick_start(project: Path) -> None:
    for said in (b"", b"\0\0\0", (99).to_bytes(8, "big") + b"{"):
        with socket.socket(socket.AF_UNIX) as killed:
            killed.connect(str(warm_programs() / "asked"))
            killed.sendall(said)
    assert run_plan(project).returncode == 0
    with socket.socket(socket.AF_UNIX) as another:
        another.connect(str(warm_programs() / "asked"))
