"""What `make clean` removes, and when it does not; how `make test` ends."""

import os
import re
import shutil
import subprocess
import sys
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
        # The copy's own environment has no Python.
        env={**os.environ, "VIRTUAL_ENV": sys.prefix, **environment},
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


def linked(used: Path, elsewhere: Path) -> None:
    """Put what is in data and .cassandra elsewhere, as on a machine whose disks are small."""
    for name in ("data", ".cassandra"):
        (used / name).rename(elsewhere / name)
        (used / name).symlink_to(elsewhere / name)


@pytest.mark.parametrize(("environment", "typed"), [({"CONFIRM": "y"}, ""), ({}, "y\n")])
def test_clean_names_what_links_lead_to_and_empties_it(
    used: Path, tmp_path: Path, environment: Mapping[str, str], typed: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "beside").touch()
    linked(used, elsewhere)
    done = clean(used, environment, typed)
    assert done.returncode == 0, done.stderr
    assert f"✓ Removed (data is {elsewhere}/data)" in done.stdout
    assert sorted(path.name for path in elsewhere.rglob("*")) == [".cassandra", ".gitkeep", "beside", "data"]
    assert (used / "data").is_symlink()
    assert not (used / ".cassandra").is_symlink()


def test_clean_asks_about_what_links_lead_to(used: Path, tmp_path: Path) -> None:
    linked(used, tmp_path)
    controller, terminal = os.openpty()
    os.write(controller, b"n\n")
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    command = ["make", "clean"]
    subprocess.run(command, cwd=used, env=environment, stdin=terminal, stderr=terminal, check=False)
    assert f"data/ (data is {tmp_path}/data) (.cassandra is" in os.read(controller, 10_000).decode()
    assert (tmp_path / "data/mine.csv").exists()


@pytest.mark.parametrize("name", ["data", ".cassandra"])
def test_link_that_leads_nowhere_keeps_clean_from_nothing(used: Path, name: str) -> None:
    shutil.rmtree(used / name)
    (used / name).symlink_to("nowhere")
    assert clean(used, {"CONFIRM": "y"}, "").returncode == 0
    assert not (used / ".venv").exists()


BESIDE = "'PYTEST_XDIST_WORKER' not in os.environ"
AT_FIRST = "os.path.exists('seen') or os.mkdir('seen')"
CRASH_AT_FIRST = f"{AT_FIRST} or os.abort()"


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
        (["True"], AT_FIRST, 0),
        ([BESIDE], AT_FIRST, 0),
        (["True"], CRASH_AT_FIRST, 0),
    ],
)
def test_few_tests_that_fail_at_first_are_forgiven_and_named(
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
    told = re.findall(r"^test_own\.py::\w+$", done.stdout, re.MULTILINE)
    forgiven = [f"test_own.py::test_{at}" for at, holds in enumerate(beside) if holds == BESIDE]
    expected = forgiven if len(forgiven) == len(beside) <= 5 else []
    assert sorted(told) == [*expected, *(["test_own.py::test_alone"] if AT_FIRST in alone else [])]
