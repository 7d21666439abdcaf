"""scripts/audit.sh: what is installed, as a document that others can read."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from poc.output import git_commit


@pytest.fixture(scope="module")
def document(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    path = tmp_path_factory.mktemp("audit") / "sbom.json"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "SBOM": str(path), "PATH": programs, "VIRTUAL_ENV": sys.prefix}
    subprocess.run(["bash", "scripts/audit.sh", "sbom"], cwd=root, env=environment, check=True, timeout=300)
    read: dict[str, object] = json.loads(path.read_text())
    return read


def test_every_package_that_the_project_needs_is_there_with_its_pinned_version(
    document: dict[str, object], root: Path
) -> None:
    assert document["bomFormat"] == "CycloneDX"
    installed = {canonicalize_name(part["name"]): part["version"] for part in parts(document)}
    lines = (root / "requirements/hashed.txt").read_text().replace("\\\n", "").splitlines()
    pins = [Requirement(line.partition("--hash")[0]) for line in lines if "==" in line]
    needed = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    assert {"feast", "cassandra-driver"} <= {pin.name for pin in needed}
    assert [pin.name for pin in needed if installed[canonicalize_name(pin.name)] not in pin.specifier] == []


def test_licence_of_every_package_is_said(document: dict[str, object]) -> None:
    silent = {part["name"] for part in parts(document) if not part.get("licenses")}
    served = {"feast", "pandas", "pyarrow", "fastapi", "onnxruntime", "cassandra-driver", "acsylla"}
    assert silent & served == set()
    assert len(silent) < 15


def test_document_says_when_and_of_which_commit_it_was_made(document: dict[str, Any], root: Path) -> None:
    metadata = document["metadata"]
    assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(metadata["timestamp"])) < timedelta(
        hours=1
    )
    assert {"name": "git_commit", "value": git_commit(root)} in metadata["properties"]


def parts(document: dict[str, object]) -> list[dict[str, str]]:
    listed = document["components"]
    assert isinstance(listed, list)
    return listed
