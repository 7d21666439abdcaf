"""What `make clean` removes, and when it does not."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest


def made_folders(project: Path) -> list[str]:
    """The hidden folders that git ignores: environments, caches, what programs keep."""
    ignored = (project / ".gitignore").read_text().splitlines()
    return [name.strip("/") for name in ignored if name.startswith("/.") and name.endswith("/")]


@pytest.fixture
def used(project: Path) -> Path:
    """A copy of the project in which something was made."""
    for name in ("data/mine.csv", *(f"{folder}/x" for folder in made_folders(project))):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    return project


def clean(project: Path, environment: Mapping[str, str], typed: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "clean"],
        cwd=project,
        env={**os.environ, **environment},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("typed", ["", "n\n"])
def test_clean_that_is_not_confirmed_removes_nothing_and_says_what_to_type(used: Path, typed: str) -> None:
    before = sorted(used.rglob("*"))
    done = clean(used, {}, typed)
    assert done.returncode != 0
    assert "Nothing was removed. Without being asked: CONFIRM=y make clean" in done.stderr
    assert sorted(used.rglob("*")) == before


@pytest.mark.parametrize(("environment", "typed"), [({"CONFIRM": "y"}, ""), ({}, "y\n")])
def test_confirmed_clean_leaves_what_a_clone_has(
    used: Path, environment: Mapping[str, str], typed: str
) -> None:
    done = clean(used, environment, typed)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (used / "data").iterdir()) == [".gitkeep"]
    assert not [name for name in made_folders(used) if (used / name).exists()]
