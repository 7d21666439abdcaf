"""Training for real: generated data, an applied Feast repository, MLflow as a file and as a server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pandas as pd
import pytest
from git_folder import begin_history
from own_sessions import apply_definitions

from poc.dataset.prepare import check_dataset, write_dataset
from poc.dataset.stored import dataset_fingerprint, latest_rows, sample_view
from poc.definitions import FeatureSet
from poc.errors import (
    ColumnsMissing,
    DatasetNotPrepared,
    DatasetUnreadable,
    DefinitionsChanged,
    FeaturesNotApplied,
    LabelsUnavailable,
    ModelDatabaseUnusable,
    ModelNotFound,
    ModelRegistryUnavailable,
    ModelUnusable,
    OutputNotWritable,
    ScoresDisagree,
)
from poc.model.evaluation import Costs
from poc.model.examples import labelled_examples
from poc.model.reference import REFERENCE_FILE, read_reference, reference_path
from poc.model.registry import load_scorer
from poc.model.scoring import Scorer
from poc.model.tracking import open_client
from poc.model.training import train
from poc.repository import declared_service
from poc.settings import Settings

ROOT = Path(__file__).parents[2]
NOW = datetime.now(timezone.utc)
PARQUET = Path("data/credit_card_fraud_10k.parquet")
# Nothing here reads online: Feast's SQLite store stands in for Cassandra, and no server is needed.
FEATURE_STORE = """\
project: ml_platform_poc
registry: data/registry.db
provider: local
online_store:
  type: sqlite
  path: {folder}/data/online.db
offline_store:
  type: file
entity_key_serialization_version: 2
"""


def own_settings(**changes: object) -> Settings:
    stated = {
        "feast_repo_path": Path("feature_repo"),
        "feast_fs_yaml_file_path": Path("feature_store.yaml"),
        "mlflow_tracking_uri": "sqlite:///data/mlflow.db",
        "data_dir": Path("data"),
        "model_name": "fraud_detection",
        "model_alias": "champion",
        "feature_service": "fraud_detection_v1",
    }
    return Settings(**{**stated, **changes}, _env_file=None)


def make_project(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "feature_repo").mkdir()
    (folder / "feature_repo" / "data").symlink_to("../data")
    shutil.copy(ROOT / "feature_repo" / "features.py", folder / "feature_repo")
    (folder / "feature_store.yaml").write_text(FEATURE_STORE.format(folder=folder))
    return folder


def payments(settings: Settings) -> FeatureSet:
    return declared_service(settings).feature_sets[0]


def train_quietly(settings: Settings, now: datetime = NOW) -> Scorer:
    return train(settings, Costs(), now, lambda line: None)


@dataclass(frozen=True)
class Prepared:
    folder: Path
    commit: str
    script: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A project in which the script has trained once."""
    folder = make_project(tmp_path_factory.mktemp("training") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = own_settings()
        write_dataset(check_dataset(payments(settings), settings.data_dir, NOW))
        apply_definitions(settings)
    return Prepared(folder, begin_history(folder), run_script(folder))


def run_script(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FEAST_"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "poc" / "train_fraud_model.py"), *arguments],
        cwd=folder,
        env=kept | {"FEAST_FS_YAML_FILE_PATH": "feature_store.yaml"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def settings(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(prepared.folder)
    return own_settings()


@pytest.fixture
def parquet(settings: Settings) -> Iterator[pd.DataFrame]:
    """The prepared data, to be replaced; it is put back afterwards."""
    kept = PARQUET.read_bytes()
    yield pd.read_parquet(PARQUET)
    PARQUET.write_bytes(kept)


def test_script_ends_well_and_says_what_is_true(prepared: Prepared) -> None:
    assert prepared.script.returncode == 0, prepared.script.stderr
    patterns = (
        r"✓ Joined 10,000 labels to the features known at their time \(feature service fraud_detection_v1\)",
        r"✓ Trained on [56],\d{3} rows \(\d+ frauds\) until \S+ \S+ UTC: \d+ trees",
        r"✓ Chose the threshold 0\.\d{4} on the next \d,\d{3} rows .*",
        r"✓ Tested on the newest \d,\d{3} rows \(\d+ frauds\), from \S+ \S+ UTC on",
        r"    PR-AUC +0\.\d{3}   .*",
        r"    Precision +\d+\.\d %   \d+ of \d+ alarms are fraud",
        r"    Recall +\d+\.\d %   \d+ of \d+ frauds raise an alarm",
        r"    Cost +[\d,]+   [\d,]+ without a model",
        r"✓ Drew data/pr_curve\.png and data/calibration\.png",
        r"✓ ONNX agrees with scikit-learn on 1\d,\d{3} rows: no decision flipped, .*",
        r"✓ Registered fraud_detection version 1 as champion",
    )
    lines = prepared.script.stdout.splitlines()
    wrong = [line for pattern, line in zip(patterns, lines, strict=True) if not re.fullmatch(pattern, line)]
    assert wrong == []


def test_script_keeps_what_mlflow_says_to_itself(prepared: Prepared) -> None:
    assert [line.split()[0] for line in prepared.script.stderr.splitlines()] == ["Loading", "MLflow", "Next:"]


def test_script_makes_files_in_the_data_folder_only(prepared: Prepared) -> None:
    assert {path.name for path in prepared.folder.iterdir()} == {
        ".git",
        "data",
        "feature_repo",
        "feature_store.yaml",
    }
    made = {path.name for path in (prepared.folder / "data").iterdir()}
    assert made >= {"mlflow.db", "mlartifacts", "pr_curve.png", "calibration.png"}


def test_run_keeps_what_made_the_model(settings: Settings, prepared: Prepared) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(settings.mlflow_tracking_uri)
    version = client.get_model_version("fraud_detection", "1")
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["feature_store"] == "feast"
    assert run.data.params["feature_view"] == "transaction_features"
    assert run.data.params["feature_service"] == "fraud_detection_v1"
    assert run.data.params["data_sha256"] == dataset_fingerprint(PARQUET)
    assert run.data.params["git_commit"] == f"{prepared.commit} with changes"
    assert 0 < run.data.metrics["pr_auc"] <= 1
    assert 0 < run.data.metrics["validation_pr_auc"] <= 1
    kept = {item.path for item in client.list_artifacts(version.run_id)}
    assert kept == {
        "features.py",
        "pr_curve.png",
        "calibration.png",
        "model",
        "training_reference.json",
    }
    assert "model/model.onnx" in {item.path for item in client.list_artifacts(version.run_id, "model")}


def test_reference_is_of_the_served_model_and_is_kept_with_its_run(
    settings: Settings, tmp_path: Path, prepared: Prepared
) -> None:
    from mlflow.tracking import MlflowClient

    card = load_scorer(settings)
    reference = read_reference(settings)
    assert reference is not None
    assert (reference.model_version, reference.created_at) == (card.version, card.trained_at)
    assert reference.git_commit == f"{prepared.commit} with changes"
    assert (reference.rows, set(reference.features)) == (10_000, set(declared_service(settings).names))
    kept = MlflowClient(settings.mlflow_tracking_uri).download_artifacts(
        str(card.run_id), REFERENCE_FILE, str(tmp_path)
    )
    assert Path(kept).read_bytes() == reference_path(settings).read_bytes()


def test_model_finds_fraud_far_better_than_guessing(settings: Settings) -> None:
    metrics = load_scorer(settings).metrics
    assert metrics["pr_auc"] > 20 * metrics["base_rate"]
    assert metrics["cost"] < metrics["cost_without_model"]


def test_typical_transaction_is_of_the_training_part_and_harmless(
    settings: Settings, parquet: pd.DataFrame
) -> None:
    scorer = load_scorer(settings)
    typical = scorer.typical
    training = labelled_examples(settings).rows.iloc[: int(0.6 * len(parquet))]
    assert tuple(typical) == scorer.inputs
    assert typical["amount"] == training["amount"].quantile(0.5, interpolation="lower")
    assert typical["merchant_category"] == training["merchant_category"].mode()[0]
    assert scorer.score([typical])[0] < scorer.threshold


def test_scorer_scores_the_stored_rows_as_mlflow_does(settings: Settings) -> None:
    import mlflow

    scorer = load_scorer(settings)
    stored = latest_rows(payments(settings), sample_view(payments(settings), 50))
    rows = [row.values for row in stored.values()]
    frame = pd.DataFrame(rows)[list(scorer.inputs)]
    numbers = frame.select_dtypes("number").columns
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/fraud_detection/{scorer.version}")
    assert [item.name for item in loaded.metadata.signature.inputs] == list(scorer.inputs)
    predicted = loaded.predict(frame.astype(dict.fromkeys(numbers, "float64")))
    assert predicted["fraud_probability"].tolist() == scorer.score(rows)


def test_features_are_those_of_the_labels_time(settings: Settings) -> None:
    examples = labelled_examples(settings)
    names = list(examples.served.names)
    stored = pd.read_parquet(PARQUET).rename(columns={"timestamp": "event_timestamp"})
    both = examples.rows.merge(stored, on=["transaction_id", "event_timestamp"], suffixes=("", "_stored"))
    assert len(both) == len(stored) == len(examples.rows)
    for name in [*names, "is_fraud"]:
        assert both[name].tolist() == both[f"{name}_stored"].tolist()
    assert (examples.left_out.unlabelled, examples.left_out.repeated, examples.left_out.unmatched) == (
        0,
        0,
        0,
    )
    assert examples.rows["event_timestamp"].is_monotonic_increasing


def test_rows_that_cannot_be_used_are_counted(settings: Settings, parquet: pd.DataFrame) -> None:
    rows = parquet.astype({"is_fraud": "Int64"})
    rows.loc[[5, 6, 7], "is_fraud"] = pd.NA
    rows.loc[30, list(declared_service(settings).names)] = None
    again = rows.iloc[[20]].assign(amount=777.0)
    pd.concat([again, rows]).to_parquet(PARQUET)
    examples = labelled_examples(settings)
    assert (examples.left_out.unlabelled, examples.left_out.repeated, examples.left_out.unmatched) == (
        3,
        2,
        1,
    )
    assert len(examples.rows) == len(parquet) - 5


def test_data_without_any_label_is_refused(settings: Settings, parquet: pd.DataFrame) -> None:
    parquet.assign(is_fraud=pd.array([pd.NA] * len(parquet), dtype="Int64")).to_parquet(PARQUET)
    with pytest.raises(LabelsUnavailable):
        labelled_examples(settings)


def test_data_without_the_label_column_is_refused(settings: Settings, parquet: pd.DataFrame) -> None:
    parquet.drop(columns="is_fraud").to_parquet(PARQUET)
    with pytest.raises(ColumnsMissing, match="is_fraud"):
        labelled_examples(settings)


def test_truncated_data_is_refused(settings: Settings, parquet: pd.DataFrame) -> None:
    PARQUET.write_bytes(PARQUET.read_bytes()[:5000])
    with pytest.raises(DatasetUnreadable):
        labelled_examples(settings)


def test_missing_data_is_told(settings: Settings, parquet: pd.DataFrame) -> None:
    PARQUET.unlink()
    with pytest.raises(DatasetNotPrepared):
        labelled_examples(settings)


def test_definitions_that_were_never_applied_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path / "project"))
    with pytest.raises(FeaturesNotApplied):
        labelled_examples(own_settings())


def test_definitions_changed_since_they_were_applied_are_told(settings: Settings) -> None:
    path = Path("feature_repo/features.py")
    kept = path.read_text()
    new = 'schema=[\n        Field(name="new_feature", dtype=Float64),'
    path.write_text(kept.replace("schema=[", new, 1))
    try:
        with pytest.raises(DefinitionsChanged, match="new_feature"):
            labelled_examples(settings)
    finally:
        path.write_text(kept)


def test_training_again_serves_the_next_version(settings: Settings) -> None:
    before = load_scorer(settings)
    later = NOW + timedelta(minutes=1)
    card = train_quietly(settings, later)
    assert int(card.version) == int(before.version) + 1
    after = load_scorer(settings, present=before)
    assert (after.version, after.trained_at) == (card.version, later)
    assert load_scorer(settings, present=after) is after


def test_model_that_disagrees_is_not_served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    served = load_scorer(settings).version
    monkeypatch.setattr("poc.model.conversion.ALLOWED_DIFFERENCE", 0.0)
    with pytest.raises(ScoresDisagree):
        train_quietly(settings)
    assert load_scorer(settings).version == served
    reference = read_reference(settings)
    assert reference is not None and reference.model_version == served


def test_training_a_challenger_leaves_the_champions_reference(settings: Settings) -> None:
    before = reference_path(settings).read_bytes()
    challenger = own_settings(model_alias="challenging")
    card = train_quietly(challenger)
    assert reference_path(settings).read_bytes() == before
    reference = read_reference(challenger)
    assert reference is not None
    assert (reference.model_alias, reference.model_version) == ("challenging", card.version)


def test_data_folder_that_cannot_be_made_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputNotWritable, match="taken"):
        train_quietly(own_settings(data_dir=tmp_path / "taken"))


def test_alias_that_nothing_has_is_told(settings: Settings) -> None:
    with pytest.raises(ModelNotFound, match="challenger"):
        load_scorer(own_settings(model_alias="challenger"))


def test_name_that_nothing_has_is_told(settings: Settings) -> None:
    with pytest.raises(ModelNotFound, match="other_model"):
        load_scorer(own_settings(model_name="other_model"))


def test_registry_that_is_not_there_is_not_made_by_looking(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        load_scorer(own_settings(mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"))
    assert list(tmp_path.iterdir()) == []


def test_damaged_database_is_named_and_can_be_left(settings: Settings, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"no database of SQLite's" * 100)
    own = own_settings(mlflow_tracking_uri=f"sqlite:///{database}")
    with pytest.raises(ModelDatabaseUnusable, match=str(database)) as raised:
        load_scorer(own)
    move, trained = raised.value.way_out.rpartition(": ")[2].split(" && ")
    assert trained == "python poc/train_fraud_model.py"
    subprocess.run(move.split(), check=True)
    # What training does to it first, in a process of its own.
    opened = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_registered_models()"
    subprocess.run([sys.executable, "-c", opened, own.mlflow_tracking_uri], check=True)
    with pytest.raises(ModelNotFound):
        load_scorer(own)


def test_database_that_was_replaced_is_read_anew(settings: Settings, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    own = own_settings(mlflow_tracking_uri=f"sqlite:///{database}")
    open_client(own).search_registered_models()
    with pytest.raises(ModelNotFound):
        load_scorer(own)
    shutil.copy(database, tmp_path / "other.db")
    made = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).create_registered_model('seen')"
    subprocess.run([sys.executable, "-c", made, f"sqlite:///{tmp_path}/other.db"], check=True)
    Path(tmp_path, "other.db").replace(database)
    client = open_client(own)
    assert [model.name for model in client.search_registered_models()] == ["seen"]


@pytest.mark.fault("Model", "its files are gone", "refused, the version named")
def test_model_whose_file_is_gone_is_unusable(settings: Settings) -> None:
    hidden = Path("data/hidden")
    Path("data/mlartifacts").rename(hidden)
    try:
        with pytest.raises(ModelUnusable, match="version"):
            load_scorer(settings)
    finally:
        shutil.rmtree("data/mlartifacts", ignore_errors=True)
        hidden.rename("data/mlartifacts")


@pytest.fixture
def moved(prepared: Prepared, tmp_path: Path) -> Iterator[Path]:
    """The project under another name; where it was a file is in the way."""
    aside = prepared.folder.with_name("aside")
    shutil.copytree(prepared.folder, tmp_path / "moved", symlinks=True)
    prepared.folder.rename(aside)
    prepared.folder.write_text("somebody's file")
    yield tmp_path / "moved"
    prepared.folder.unlink()
    aside.rename(prepared.folder)


def test_script_finds_the_model_of_a_moved_checkout_and_trains_the_next_there(
    moved: Path, prepared: Prepared
) -> None:
    held = len([*(moved / "data/mlartifacts").rglob("model.onnx")])
    found = run_script(moved, "--if-none")
    assert found.returncode == 0, found.stderr
    assert re.fullmatch(r"✓ fraud_detection version \d+ is registered as champion\n", found.stdout)
    uri = f"sqlite:///{moved}/data/mlflow.db"
    client = open_client(own_settings(mlflow_tracking_uri=uri))
    run = client.get_run(client.get_model_version("fraud_detection", "1").run_id).info
    assert run.artifact_uri == (moved / "data/mlartifacts" / run.run_id / "artifacts").as_uri()
    again = run_script(moved)
    assert again.returncode == 0, again.stderr
    assert len([*(moved / "data/mlartifacts").rglob("model.onnx")]) == held + 1
    assert prepared.folder.read_text() == "somebody's file"


def test_script_says_that_the_files_of_the_model_are_gone_and_trains_another(
    moved: Path, prepared: Prepared
) -> None:
    shutil.rmtree(moved / "data/mlartifacts")
    script = run_script(moved, "--if-none")
    assert script.returncode == 0, script.stderr
    assert "No model is registered yet" not in script.stderr
    places = f"{moved}/data/mlartifacts/\\w+/artifacts or {prepared.folder}/data/mlartifacts/"
    assert re.search(f"no model/model.onnx, as our training keeps one, is in {places}", script.stderr)
    assert "✓ Registered fraud_detection version" in script.stdout
    assert prepared.folder.read_text() == "somebody's file"


@dataclass(frozen=True)
class TrackingServer:
    uri: str
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def tracking_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A real MLflow server that keeps the artifacts too, as docker-compose.yml has it."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = f"--host 127.0.0.1 --port {port} --workers 1 --backend-store-uri sqlite:///{folder}/mlflow.db"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options.split(), "--artifacts-destination", folder],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = TrackingServer(f"http://127.0.0.1:{port}", process)
    try:
        wait_until_healthy(server, folder / "server.log")
        yield server
    finally:
        server.stop()


def wait_until_healthy(server: TrackingServer, log: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{server.uri}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.mark.alone
@pytest.mark.fault("Model", "the MLflow server is down", "told within 5 s")
def test_model_is_kept_and_loaded_through_a_server_until_that_is_down(
    settings: Settings, tracking_server: TrackingServer
) -> None:
    there = own_settings(mlflow_tracking_uri=tracking_server.uri)
    card = train_quietly(there)
    assert card.version == "1"
    scorer = load_scorer(there)
    assert scorer == card
    rows = [row.values for row in latest_rows(payments(there), [("12345",)]).values()]
    assert scorer.score(rows) == load_scorer(settings).score(rows)

    tracking_server.stop()
    started = time.monotonic()
    with pytest.raises(ModelRegistryUnavailable):
        load_scorer(there)
    assert time.monotonic() - started < 5


@pytest.mark.alone
@pytest.mark.fault(
    "Model", "training without the MLflow server", "exit status 1 within 30 s, the address named"
)
def test_script_tells_within_seconds_that_the_server_is_down(prepared: Prepared) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
    started = time.monotonic()
    script = run_script(prepared.folder, MLFLOW_TRACKING_URI=uri)
    assert (script.returncode, script.stdout) == (1, "")
    assert f"✗ Cannot reach the model registry at {uri}" in script.stderr
    assert time.monotonic() - started < 30


def test_card_of_the_served_version_tells_its_training(settings: Settings) -> None:
    card = load_scorer(settings)
    assert (card.name, card.alias, card.feature_service) == (
        "fraud_detection",
        "champion",
        "fraud_detection_v1",
    )
    assert card.inputs == tuple(sorted(declared_service(settings).names))
