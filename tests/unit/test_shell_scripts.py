"""What `make clean` removes, and when it does not; how `make test` ends."""

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


BESIDE = "'PYTEST_XDIST_WORKER' not in os.environ"


@pytest.fixture
def runner(tmp_path: Path, project: Path) -> Path:
    """A project that has nothing but what runs its tests; there is no other Python to run them on."""
    (tmp_path / "own/scripts").mkdir(parents=True)
    for name in ("environment.sh", "run_tests.sh"):
        (tmp_path / "own/scripts" / name).write_bytes((project / "scripts" / name).read_bytes())
        (tmp_path / "own/scripts" / name).chmod(0o755)
    others = tmp_path / "own/scripts/test_pythons.sh"
    others.write_text("#!/bin/sh\n")
    others.chmod(0o755)
    (tmp_path / "own/pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    return tmp_path / "own"


@pytest.mark.parametrize(
    ("beside", "alone", "status"),
    [
        (["True"], "True", 0),
        ([BESIDE] * 5, "True", 0),
        ([BESIDE] * 6, "True", 1),
        ([BESIDE, "False"], "True", 1),
        (["os._exit(3)"], "True", 1),
        (["True"], "False", 1),
        ([BESIDE], "False", 1),
    ],
)
def test_few_tests_that_fail_beside_others_alone_are_forgiven_and_named(
    runner: Path, beside: list[str], alone: str, status: int
) -> None:
    tests = [f"def test_{number}():\n    assert {holds}\n" for number, holds in enumerate(beside)]
    tests.append(f"@pytest.mark.alone\ndef test_alone():\n    assert {alone}\n")
    (runner / "test_own.py").write_text("import os\n\nimport pytest\n\n\n" + "\n\n".join(tests))
    # Of pytest's plugins the one that it is about: the others take longer to import than these tests run.
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist", "TEST_WORKERS": "2"}
    # These tests may be a worker's themselves.
    own = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**own, **plugins}
    done = subprocess.run(
        ["scripts/run_tests.sh"], cwd=runner, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    told = done.stdout.partition("! Failed beside others, passed alone:\n")[2].splitlines()
    forgiven = [f"test_own.py::test_{at}" for at, holds in enumerate(beside) if holds == BESIDE]
    assert sorted(told) == (forgiven if len(forgiven) == len(beside) <= 5 else [])
