"""What runs on GitHub, as far as it can be held to the rest without it."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / ".github/workflows/test.yml"


def test_actions_are_pinned_by_hash() -> None:
    used = re.findall(r"uses: \S+@(\S+)", WORKFLOW.read_text())
    assert used
    assert [pin for pin in used if re.fullmatch("[0-9a-f]{40}", pin) is None] == []


def test_every_supported_python_is_tested() -> None:
    lower, upper = re.search(
        r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()
    ).groups()
    tested = yaml.safe_load(WORKFLOW.read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert tested == [f"3.{minor}" for minor in range(int(lower), int(upper))]


def test_a_commit_is_held_to_what_make_check_checks() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [hook["entry"] for hook in config["repos"][0]["hooks"]] == ["make check"]


def test_development_container_uses_a_supported_python_and_the_environment_of_make_setup() -> None:
    config = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert re.search(r"python:3\.1[0-2]-", config["image"])
    assert config["onCreateCommand"] == "make setup"
