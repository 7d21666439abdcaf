"""What is kept of a training run: an MLflow run with everything that made the model, and a version of it.

The run says which data, which features, which code and which costs; the version is a candidate until
`registry.promote` moves the alias.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from poc.model.artifacts import artifacts_folder, bring_home, file_errors, is_left
from poc.model.pipeline import ModelInputs
from poc.model.registry import (
    DIGEST,
    MODEL_FILE,
    MODEL_FOLDER,
    database_file,
    is_server,
    open_client,
    registry_errors,
)
from poc.model.scoring import OUTPUT, ModelFacts
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One training run, as it is to be kept; beside it `files`, by their name there."""

    onnx_model: bytes
    inputs: ModelInputs
    facts: ModelFacts
    parameters: Mapping[str, Any]
    validation_metrics: Mapping[str, float]
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a training run was kept."""

    version: str
    run_id: str


def record(settings: Settings, training: TrainingRecord) -> Recorded:
    """Keep `training` as an MLflow run, and its model as a new version of the registered model.

    Raises ModelRegistryUnavailable: MLflow does not answer, or cannot keep it.
    """
    client = open_client(settings)
    with registry_errors(settings):
        run_id = client.create_run(_experiment(client, settings)).info.run_id
        try:
            with file_errors():
                _log(client, run_id, training)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
        return Recorded(_create_version(client, settings, training, run_id), run_id)


def keep_text(settings: Settings, recorded: Recorded, name: str, text: str) -> None:
    """Keep `text` in the run as the file `name`, for what is known only once the version has its number.

    Raises ModelRegistryUnavailable: MLflow does not answer, or cannot keep it.
    """
    client = open_client(settings)
    with registry_errors(settings), file_errors():
        client.log_text(recorded.run_id, text, name)


def find_again(settings: Settings) -> None:
    """Let MLflow find the runs of a checkout that was moved; training does so by itself.

    Raises ModelRegistryUnavailable: MLflow does not answer, or its database cannot be written.
    """
    client = open_client(settings)
    with registry_errors(settings):
        _found(client, settings)


def _found(client: "MlflowClient", settings: Settings) -> str | None:
    """Return the experiment of the model, if there is one, after it was told where the data folder is."""
    found, database = client.get_experiment_by_name(settings.model_name), database_file(settings)
    if found is None:
        return None
    if database is not None and is_left(found.artifact_location, settings):
        bring_home(settings, database, str(found.experiment_id))
    return str(found.experiment_id)


def _experiment(client: "MlflowClient", settings: Settings) -> str:
    found = _found(client, settings)
    if found is not None:
        return found
    # A server knows where its artifacts go; otherwise they would go to mlruns/ in the working directory.
    location = None if is_server(settings) else artifacts_folder(settings).as_uri()
    return str(client.create_experiment(settings.model_name, artifact_location=location))


def _log(client: "MlflowClient", run_id: str, training: TrainingRecord) -> None:
    for name, value in training.parameters.items():
        client.log_param(run_id, name, value)
    for name, value in training.facts.metrics.items():
        client.log_metric(run_id, name, value)
    for name, value in training.validation_metrics.items():
        client.log_metric(run_id, f"validation_{name}", value)
    for name, path in training.files.items():
        folder = str(PurePosixPath(name).parent)
        client.log_artifact(run_id, str(path), None if folder == "." else folder)
    with TemporaryDirectory() as made:
        _save_model(Path(made) / MODEL_FOLDER, training)
        client.log_artifacts(run_id, str(Path(made) / MODEL_FOLDER), MODEL_FOLDER)


def _save_model(folder: Path, training: TrainingRecord) -> None:
    """Write the folder that MLflow calls a model: the ONNX file, its signature, how to load it."""
    from importlib.metadata import version

    import mlflow.onnx
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    categories = training.inputs.categories
    kinds = {
        name: DataType.string if name in categories else DataType.double for name in training.inputs.names
    }
    taken = [ColSpec(kind, name) for name, kind in kinds.items()]
    mlflow.onnx.save_model(
        onnx.load_from_string(training.onnx_model),
        str(folder),
        signature=ModelSignature(inputs=Schema(taken), outputs=Schema([ColSpec(DataType.float, OUTPUT)])),
        # Without a list MLflow finds it out by loading the model in a process of its own.
        pip_requirements=[f"{name}=={version(name)}" for name in ("onnx", "onnxruntime", "numpy", "pandas")],
        save_as_external_data=False,
    )
    # MLflow wrote the model it was given; the bytes that were checked are the ones to keep.
    (folder / MODEL_FILE).write_bytes(training.onnx_model)


def _create_version(client: "MlflowClient", settings: Settings, training: TrainingRecord, run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(settings.model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    name, where = settings.model_name, f"runs:/{run_id}/{MODEL_FOLDER}"
    description = f"Inputs from feature service {training.facts.feature_service}"
    # In the registry, not beside the file: who changes one does not change the other by that.
    tags = {DIGEST: sha256(training.onnx_model).hexdigest()}
    created = client.create_model_version(name, where, run_id, tags=tags, description=description)
    return str(created.version)
