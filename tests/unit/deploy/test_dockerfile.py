"""The Dockerfile as a file; what its commands do is run in tests/integration/test_container_image.py."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from container_image import Dockerfile, context_files, is_sent

from poc.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = Dockerfile(ROOT / "Dockerfile")
# What a person's clone and a run of the project can hold beside the code.
NEVER_SENT = [
    ".env",
    ".git/config",
    ".venv/pyvenv.cfg",
    "data/registry.db",
    ".cassandra/1-node/node1/logs/system.log",
]


def test_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_starts_from_the_same_pinned_slim_python() -> None:
    assert len(set(DOCKERFILE.bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", DOCKERFILE.bases[0])


def test_python_of_the_image_is_one_that_the_project_supports() -> None:
    minor = int(DOCKERFILE.bases[0].split(".")[1])
    lower, upper = re.findall(
        r"3\.(\d+)", re.search("requires-python.*", (ROOT / "pyproject.toml").read_text())[0]
    )
    assert int(lower) <= minor < int(upper)


def test_user_is_a_number_and_not_root() -> None:
    assert all(number >= 10000 for number in DOCKERFILE.user())


def test_packages_are_installed_by_hash_and_never_built() -> None:
    installs = [value for name, value in DOCKERFILE.instructions if name == "RUN" and "pip install" in value]
    assert len(installs) == 1
    assert installs[0].endswith("--only-binary :all: --require-hashes -r requirements/hashed.txt")


def test_every_package_is_to_be_had_as_a_wheel_for_the_image_s_platform(tmp_path: Path) -> None:
    """Asked of uv, which need not download a gigabyte to know. That hashes hold, pip sees at the build."""
    install = next(
        value for name, value in DOCKERFILE.instructions if name == "RUN" and "pip install" in value
    )
    options = install[install.index("--only-binary") :].split()
    python = ".".join(DOCKERFILE.bases[0].split(":")[1].split(".")[:2])
    command = [
        "uv",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--no-config",
        "--no-deps",
        "--target",
        tmp_path,
    ]
    where = ["--python", sys.executable, "--python-platform", "x86_64-unknown-linux-gnu"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, *where, "--python-version", python, *options],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", [source for source, _ in DOCKERFILE.copies()])
def test_what_is_copied_is_in_git_and_is_sent(source: str) -> None:
    assert context_files(ROOT, source)


def test_context_holds_what_is_copied_and_nothing_else() -> None:
    sources = [source for source, _ in DOCKERFILE.copies()]
    sent = [Path(name) for name in context_files(ROOT, ".")]
    assert [name for name in sent if not any(map(name.is_relative_to, sources))] == []


@pytest.mark.parametrize("name", NEVER_SENT)
def test_nothing_private_is_sent(name: str) -> None:
    assert not is_sent(name, (ROOT / ".dockerignore").read_text().splitlines())


def test_no_secret_and_no_proxy_is_baked_in() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"password|secret|token|credential|proxy|index-url|://(?!127)", text, re.IGNORECASE)


def test_every_variable_of_ours_is_a_setting_or_the_container_s_yaml_reads_it() -> None:
    read = re.findall(r"\$\{(\w+)\}", (ROOT / "feature_repo/stores/container.yaml").read_text())
    ours = {name.upper() for name in Settings.model_fields} | set(read)
    of_others = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HOME", "MPLCONFIGDIR"}
    assert set(DOCKERFILE.environment) <= ours | of_others
    # A variable of the yaml that nobody set would make it unreadable.
    assert set(read) <= set(DOCKERFILE.environment)


def test_label_tells_the_version_of_the_project() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert DOCKERFILE.labels["org.opencontainers.image.version"] == version[1]


def test_commands_are_in_exec_form_so_that_signals_reach_the_server() -> None:
    assert DOCKERFILE.command() == ["python", "poc/serve_model_feast.py"]
    assert DOCKERFILE.health_command()[:2] == ["python", "-c"]


def test_health_is_asked_of_the_page_that_does_not_depend_on_cassandra() -> None:
    assert "/live" in DOCKERFILE.health_command()[2]
