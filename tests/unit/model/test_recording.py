import subprocess
from pathlib import Path

import pytest

from poc.model.recording import git_commit


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for command in (
        ["init", "--quiet"],
        [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.com",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "x",
        ],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_commit_is_named(repository: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True)
    assert git_commit(repository) == head.stdout.strip()


def test_changed_files_are_mentioned(repository: Path) -> None:
    (repository / "new.py").touch()
    assert git_commit(repository).endswith(" with changes")


def test_folder_without_git_has_an_unknown_commit(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == "unknown"


def test_machine_without_git_has_an_unknown_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_commit(repository) == "unknown"
