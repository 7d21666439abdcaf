"""The registered models: how a training run is kept as a version, which one is served, and how it is loaded.

The run says which data, which features, which code and which costs; the version is a candidate until
`promote` moves the alias. Only the ONNX file is fetched; nothing that MLflow keeps is unpickled.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version as installed
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from poc.errors import ModelNotFound, ModelNotOurs, ModelUnusable
from poc.model import tracking
from poc.model.scoring import OUTPUT, ModelFacts, Scorer, open_scorer
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

# Where a run keeps its model, and the file in it, the name of which is MLflow's.
MODEL_FOLDER = "model"
MODEL_FILE = "model.onnx"
# The tag of a version that tells which bytes were registered.
DIGEST = "sha256"
_NEEDED = ("onnx", "onnxruntime", "numpy", "pandas")


def load_scorer(settings: Settings, version: str | None = None, present: Scorer | None = None) -> Scorer:
    """Load the version of the registered model that the alias of `settings` points to, or another `version`.

    Returns `present`, if that is of this version.

    Raises ModelNotFound, ModelUnusable, ModelNotOurs, or within seconds ModelRegistryUnavailable.
    """
    client, found = _find_version(settings, version)
    name, number, run_id = found.name, str(found.version), found.run_id
    if present is not None and (name, number, run_id) == (present.name, present.version, present.run_id):
        return present
    described, registered = f"{name} version {number}", found.tags.get(DIGEST)
    try:
        if not run_id:
            raise ModelUnusable(described, "it belongs to no run of our training")
        with tracking.registry_errors(settings), tracking.file_errors():
            onnx_model = _read_model(client, settings, run_id, described)
        if registered is not None and sha256(onnx_model).hexdigest() != registered:
            raise ModelUnusable(described, f"its {MODEL_FILE} is not the one that was registered")
        alias = settings.model_alias if version is None else None
        return open_scorer(onnx_model, name=name, version=number, alias=alias, run_id=run_id)
    except ModelUnusable as error:
        if registered is not None:
            raise
        raise ModelNotOurs(described, error.about["reason"], settings.model_alias) from error


def promote(settings: Settings, version: str) -> None:
    """Let the alias point to `version` from now on.

    Raises ModelRegistryUnavailable: MLflow does not answer; the alias is where it was.
    """
    client = tracking.open_client(settings)
    with tracking.registry_errors(settings):
        client.set_registered_model_alias(settings.model_name, settings.model_alias, version)


def _find_version(settings: Settings, version: str | None) -> "tuple[MlflowClient, ModelVersion]":
    name, alias, file = settings.model_name, settings.model_alias, tracking.database_file(settings)
    if file is not None and not file.exists():
        # Asking MLflow would make the database, with all its tables, to find nothing in it.
        raise ModelNotFound(settings.mlflow_tracking_uri, name, alias)
    client = tracking.open_client(settings)
    from mlflow.exceptions import MlflowException

    with tracking.registry_errors(settings):
        try:
            if version is not None:
                return client, client.get_model_version(name, version)
            return client, client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            # A missing alias is an INVALID_PARAMETER_VALUE to MLflow.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise ModelNotFound(settings.mlflow_tracking_uri, name, alias) from error
            raise


def _read_model(client: "MlflowClient", settings: Settings, run_id: str, described: str) -> bytes:
    """Read the ONNX file of a run; in a copy of a checkout, what is recorded is a file of the first one."""
    from mlflow.exceptions import MlflowException

    name = f"{MODEL_FOLDER}/{MODEL_FILE}"
    own = None if tracking.is_server(settings) else tracking.run_files(settings, run_id)
    try:
        if own is not None and (own / name).is_file():
            return (own / name).read_bytes()
        with TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, name, folder)).read_bytes()
    except (MlflowException, OSError) as error:
        missing = getattr(error, "error_code", None) in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
        if not missing and not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise
        places = [] if own is None else [str(own)]
        with suppress(MlflowException):  # The run may be gone, too.
            places.append(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
        looked = " or ".join(dict.fromkeys(places)) or f"run {run_id}"
        reason = f"no {name}, as our training keeps one, is in {looked}"
        raise ModelUnusable(described, reason) from error


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One training run, as it is to be kept; beside it `files`, by their name there."""

    onnx_model: bytes
    facts: ModelFacts
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    files: Mapping[str, Path]


def record(settings: Settings, training: TrainingRecord) -> "ModelVersion":
    """Keep `training` as an MLflow run, and its model as a new version of the registered model.

    Raises ModelRegistryUnavailable: MLflow does not answer, or cannot keep it.
    """
    client = tracking.open_client(settings)
    with tracking.registry_errors(settings):
        experiment = tracking.find_experiment(client, settings)
        if experiment is None:
            # A server knows where files go; otherwise they would go to mlruns/ in the working directory.
            location = None if tracking.is_server(settings) else tracking.artifacts_folder(settings).as_uri()
            experiment = client.create_experiment(settings.model_name, artifact_location=location)
        run_id = client.create_run(experiment).info.run_id
        try:
            with tracking.file_errors():
                _log(client, run_id, training)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
        return _create_version(client, settings, training, run_id)


def keep_text(settings: Settings, run_id: str, name: str, text: str) -> None:
    """Keep `text` in a run as the file `name`, for what is known only once the version has its number.

    Raises ModelRegistryUnavailable: MLflow does not answer, or cannot keep it.
    """
    client = tracking.open_client(settings)
    with tracking.registry_errors(settings), tracking.file_errors():
        client.log_text(run_id, text, name)


def _log(client: "MlflowClient", run_id: str, training: TrainingRecord) -> None:
    for name, value in training.parameters.items():
        client.log_param(run_id, name, value)
    for name, value in training.metrics.items():
        client.log_metric(run_id, name, value)
    for name, path in training.files.items():
        folder = str(PurePosixPath(name).parent)
        client.log_artifact(run_id, str(path), None if folder == "." else folder)
    with TemporaryDirectory() as made:
        folder = f"{made}/{MODEL_FOLDER}"
        _save_model(folder, training)
        client.log_artifacts(run_id, folder, MODEL_FOLDER)


def _save_model(folder: str, training: TrainingRecord) -> None:
    """Write the folder that MLflow calls a model: the ONNX file, its signature, how to load it."""
    import mlflow.onnx
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    facts = training.facts
    taken = [
        ColSpec(DataType.string if name in facts.categories else DataType.double, name)
        for name in facts.inputs
    ]
    mlflow.onnx.save_model(
        onnx.load_from_string(training.onnx_model),
        folder,
        signature=ModelSignature(inputs=Schema(taken), outputs=Schema([ColSpec(DataType.float, OUTPUT)])),
        # Without a list MLflow finds it out by loading the model in a process of its own.
        pip_requirements=[f"{name}=={installed(name)}" for name in _NEEDED],
        save_as_external_data=False,
    )
    # MLflow wrote the model it was given; the bytes that were checked are the ones to keep.
    Path(folder, MODEL_FILE).write_bytes(training.onnx_model)


def _create_version(
    client: "MlflowClient", settings: Settings, training: TrainingRecord, run_id: str
) -> "ModelVersion":
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
    return client.create_model_version(name, where, run_id, tags=tags, description=description)
