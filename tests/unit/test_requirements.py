"""The requirements files against pyproject.toml, from which they are compiled."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = (
    "requirements-poc.txt",
    "requirements/hashed.txt",
    "requirements/hashed-poc.txt",
    "requirements/spark.txt",
    "requirements/validation.txt",
    "requirements/warehouses.txt",
    "requirements/airflow.txt",
    "requirements/audit.txt",
    "requirements/mutants.txt",
)


@pytest.fixture(scope="module")
def compiled(copy_project: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the files were compiled anew."""
    folder = copy_project(tmp_path_factory.mktemp("lock") / "project")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": sys.prefix}
    subprocess.run(
        ["bash", "scripts/lock_requirements.sh"], cwd=folder, env=environment, check=True, timeout=300
    )
    return folder


@pytest.mark.parametrize("name", FILES)
def test_file_is_what_make_lock_makes_of_pyproject(compiled: Path, root: Path, name: str) -> None:
    assert (compiled / name).read_text() == (root / name).read_text(), f"{name}: run make lock"


@pytest.mark.parametrize("name", FILES)
def test_every_version_is_pinned(root: Path, name: str) -> None:
    lines = [line for line in (root / name).read_text().splitlines() if not line.startswith(("#", "-e", " "))]
    assert lines
    assert [line for line in lines if "==" not in line] == []


@pytest.mark.parametrize("name", ["hashed", "hashed-poc"])
def test_hashed_file_has_a_hash_for_every_requirement(root: Path, name: str) -> None:
    text = (root / f"requirements/{name}.txt").read_text()
    for requirement in text.replace("\\\n", " ").splitlines():
        assert requirement.startswith("#") or "--hash=sha256:" in requirement


def test_what_is_installed_with_hashes_is_what_is_pinned(root: Path) -> None:
    pinned, hashed = pins(root / "requirements-poc.txt"), pins(root / "requirements/hashed-poc.txt")
    assert hashed.pop("setuptools")
    assert hashed == pinned


@pytest.mark.parametrize("name", FILES)
def test_no_registry_is_named(root: Path, name: str) -> None:
    assert "://" not in (root / name).read_text()


def test_spark_is_installed_beside_the_rest_and_changes_none_of_its_versions(root: Path) -> None:
    pinned = pins(root / "requirements-poc.txt")
    wanted = pins(root / "requirements/spark.txt")
    assert {name for name, versions in wanted.items() if not versions <= pinned.get(name, versions)} == set()
    assert wanted["pyspark"]


def pins(path: Path) -> dict[str, set[str]]:
    """Each package's pinned versions by its name."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        name, equal, rest = line.partition("==")
        if equal:
            found.setdefault(name, set()).add(rest.partition(" ")[0])
    return found
