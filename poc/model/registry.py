"""The registered models: which version is served, and how it gets from MLflow into this process.

Only the ONNX file is fetched; nothing that MLflow keeps is unpickled. What a version holds is written
by `recording`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from poc.errors import ModelNotFound, ModelUnusable
from poc.model.scoring import Scorer, open_scorer
from poc.model.tracking import database_file, open_client, registry_errors, shown_uri
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

# Where a run keeps its model, and the file in it, the name of which is MLflow's.
MODEL_FOLDER = "model"
MODEL_FILE = "model.onnx"


def load_scorer(settings: Settings) -> Scorer:
    """Load the version of the registered model that the alias of `settings` points to.

    Raises:
        ModelNotFound: there is no such model, or no such alias.
        ModelRegistryUnavailable: MLflow does not answer, within seconds.
        ModelUnusable: what is registered was not made by our training.
    """
    client = _client_of_existing(settings)
    return _open_version(client, settings, _served_version(client, settings), settings.model_alias)


def refresh_scorer(settings: Settings, scorer: Scorer) -> Scorer:
    """Return `scorer` if its version is still the one to be served, and else that one.

    Raises: what `load_scorer` raises.
    """
    client = _client_of_existing(settings)
    version = _served_version(client, settings)
    if (version.name, str(version.version), version.run_id) == (
        scorer.name,
        scorer.version,
        scorer.card.run_id,
    ):
        return scorer
    return _open_version(client, settings, version, settings.model_alias)


def load_version(settings: Settings, version: str) -> Scorer:
    """Load one version of the registered model, whatever the alias points to. Raises: as `load_scorer`."""
    client = open_client(settings)
    with registry_errors(settings):
        found = client.get_model_version(settings.model_name, version)
    return _open_version(client, settings, found, None)


def promote(settings: Settings, version: str) -> None:
    """Let the alias point to `version` from now on.

    Raises:
        ModelRegistryUnavailable: MLflow does not answer; the alias is where it was.
    """
    client = open_client(settings)
    with registry_errors(settings):
        client.set_registered_model_alias(settings.model_name, settings.model_alias, version)


def _client_of_existing(settings: Settings) -> "MlflowClient":
    file = database_file(settings)
    if file is not None and not file.exists():
        # Asking MLflow would make the database, with all its tables, to find nothing in it.
        raise _not_found(settings)
    return open_client(settings)


def _served_version(client: "MlflowClient", settings: Settings) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    with registry_errors(settings):
        try:
            return client.get_model_version_by_alias(settings.model_name, settings.model_alias)
        except MlflowException as error:
            # A missing alias is an INVALID_PARAMETER_VALUE to MLflow.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise _not_found(settings) from error
            raise


def _not_found(settings: Settings) -> ModelNotFound:
    return ModelNotFound(settings.model_name, settings.model_alias, shown_uri(settings.mlflow_tracking_uri))


def _open_version(
    client: "MlflowClient", settings: Settings, version: "ModelVersion", alias: str | None
) -> Scorer:
    from mlflow.exceptions import MlflowException

    described = f"{version.name} version {version.version}"
    if not version.run_id:
        raise ModelUnusable(described, "it belongs to no run of our training")
    with registry_errors(settings), TemporaryDirectory() as folder:
        try:
            path = client.download_artifacts(version.run_id, f"{MODEL_FOLDER}/{MODEL_FILE}", folder)
            onnx_model = Path(path).read_bytes()
        except (MlflowException, OSError) as error:
            if _is_missing(error):
                raise ModelUnusable(described, f"its {MODEL_FILE} is gone") from error
            raise
    return open_scorer(
        onnx_model, name=version.name, version=str(version.version), alias=alias, run_id=version.run_id
    )


def _is_missing(error: Exception) -> bool:
    code = getattr(error, "error_code", None)
    return isinstance(error, FileNotFoundError) or code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
