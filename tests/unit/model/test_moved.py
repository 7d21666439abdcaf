"""A checkout that was renamed, moved or copied: its models are found, and nothing is written elsewhere."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from small_model import register

from poc.definitions import ServedFeatures
from poc.errors import ModelFilesUnusable, ModelUnusable
from poc.model.registry import load_scorer
from poc.model.tracking import open_client
from poc.settings import Settings


def settings_of(folder: Path) -> Settings:
    uri = f"sqlite:///{folder}/mlflow.db"
    return Settings(_env_file=None, data_dir=folder, mlflow_tracking_uri=uri)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def trained(tmp_path: Path, definitions: ServedFeatures) -> Path:
    """A data folder with a model, of which a path needs quotes in a URI."""
    folder = tmp_path / "first place" / "data"
    folder.mkdir(parents=True)
    register(settings_of(folder), definitions)
    return folder


@pytest.fixture
def moved(trained: Path, tmp_path: Path) -> Path:
    """That folder under another name."""
    trained.parent.rename(tmp_path / "second place")
    return tmp_path / "second place" / "data"


@pytest.mark.fault("Model", "the checkout was moved", "served as before, and training goes on there")
def test_moved_models_are_served_and_the_next_ones_stay_with_them(
    moved: Path, trained: Path, definitions: ServedFeatures, tmp_path: Path
) -> None:
    settings = settings_of(moved)
    before = load_scorer(settings)
    assert before.version == "1"
    register(settings, definitions)
    assert load_scorer(settings).version == "2"
    assert not trained.parent.exists()
    assert len([*moved.rglob("model.onnx")]) == len([*tmp_path.rglob("model.onnx")]) == 2
    # For MLflow's own pages and clients as well.
    client = open_client(settings)
    for version in ("1", "2"):
        run_id = client.get_model_version("fraud_detection", version).run_id
        (tmp_path / version).mkdir()
        found = client.download_artifacts(run_id, "model/model.onnx", str(tmp_path / version))
        assert Path(found).stat().st_size > 0


def test_moved_models_are_found_where_the_old_place_cannot_be_made(
    moved: Path, trained: Path, definitions: ServedFeatures
) -> None:
    trained.parent.write_text("somebody's file")
    settings = settings_of(moved)
    assert load_scorer(settings).version == "1"
    register(settings, definitions)
    assert load_scorer(settings).version == "2"
    assert trained.parent.read_text() == "somebody's file"


def test_copy_reads_its_own_files_and_leaves_the_others_alone(
    trained: Path, definitions: ServedFeatures, tmp_path: Path
) -> None:
    kept = files_of(trained)
    copied = tmp_path / "copy"
    shutil.copytree(trained, copied)
    settings = settings_of(copied)
    [file] = copied.rglob("model.onnx")
    whole = file.read_bytes()
    file.write_bytes(whole + b" ")
    with pytest.raises(ModelUnusable, match="is not the one that was registered"):
        load_scorer(settings)
    file.write_bytes(whole)
    assert load_scorer(settings).version == "1"
    register(settings, definitions)
    assert load_scorer(settings).version == "2"
    assert files_of(trained) == kept
    assert load_scorer(settings_of(trained)).version == "1"


def test_database_that_moved_alone_names_both_places_and_another_training_leads_out(
    moved: Path, trained: Path, definitions: ServedFeatures
) -> None:
    shutil.rmtree(moved / "mlartifacts")
    settings = settings_of(moved)
    with pytest.raises(
        ModelUnusable, match=f"no model/model.onnx, as our training keeps one, is in {moved}.* or .*first"
    ) as raised:
        load_scorer(settings)
    assert raised.value.way_out == "Train another: python poc/train_fraud_model.py"
    register(settings, definitions)
    assert load_scorer(settings).version == "2"
    assert not trained.parent.exists()


def test_model_whose_run_was_removed_is_unusable_and_the_database_is_not(trained: Path) -> None:
    shutil.rmtree(trained / "mlartifacts")
    with closing(sqlite3.connect(trained / "mlflow.db")) as database, database:
        for table in ("params", "metrics", "latest_metrics", "tags", "runs"):
            database.execute(f"DELETE FROM {table}")
    with pytest.raises(ModelUnusable, match=r"no model/model\.onnx, as our training keeps one, is in"):
        load_scorer(settings_of(trained))


def test_models_whose_database_is_elsewhere_are_read_where_they_were_recorded(
    trained: Path, definitions: ServedFeatures, tmp_path: Path
) -> None:
    other = settings_of(trained).model_copy(update={"data_dir": tmp_path / "other"})
    assert load_scorer(other).version == "1"
    register(other, definitions)
    assert load_scorer(other).version == "2"
    assert len([*(tmp_path / "other").rglob("model.onnx")]) == len([*trained.rglob("model.onnx")]) == 1
    run_id = open_client(other).get_model_version("fraud_detection", "1").run_id
    assert "first" in open_client(other).get_run(run_id).info.artifact_uri


def test_place_that_somebody_chose_stays(definitions: ServedFeatures, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    chosen = (tmp_path / "large disk").as_uri()
    (tmp_path / "data").mkdir()
    open_client(settings).create_experiment("fraud_detection", artifact_location=chosen)
    register(settings, definitions)
    assert [*(tmp_path / "large disk").rglob("model.onnx")] == [*tmp_path.rglob("model.onnx")]
    assert load_scorer(settings).version == "1"


def test_files_that_cannot_be_kept_are_named_and_not_the_database(
    trained: Path, definitions: ServedFeatures
) -> None:
    settings, folder = settings_of(trained), trained / "mlartifacts"
    folder.rename(trained / "aside")
    folder.write_text("no folder")
    with pytest.raises(ModelFilesUnusable, match=f"the models' files at {folder}") as raised:
        register(settings, definitions)
    assert str(folder) in raised.value.way_out and "mlflow.db" not in raised.value.way_out
    folder.unlink()
    (trained / "aside").rename(folder)
    assert load_scorer(settings).version == "1"
    register(settings, definitions)
    assert load_scorer(settings).version == "2"
