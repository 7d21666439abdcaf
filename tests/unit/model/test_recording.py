import subprocess
from pathlib import Path

import pytest
from small_model import register

from poc.definitions import ServedFeatures
from poc.errors import ModelUnusable
from poc.model.recording import git_commit
from poc.model.registry import load_scorer
from poc.settings import Settings


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


@pytest.mark.fault("Model", "its file was changed after it was registered", "refused: it has another hash")
def test_model_file_that_was_changed_after_it_was_registered_is_not_served(
    tmp_path: Path, definitions: ServedFeatures
) -> None:
    settings = Settings(
        _env_file=None, data_dir=tmp_path, mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"
    )
    register(settings, definitions)
    assert load_scorer(settings).version == "1"
    [file] = tmp_path.rglob("model.onnx")
    # A byte that nothing else would notice: it is in a name.
    content = file.read_bytes()
    file.write_bytes(content.replace(b"Clothing", b"clothing", 1))
    assert file.read_bytes() != content
    with pytest.raises(ModelUnusable, match="is not the one that was registered"):
        load_scorer(settings)
