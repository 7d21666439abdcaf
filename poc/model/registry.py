"""The registered models: which version is served, and how it gets from MLflow into this process.

Only the ONNX file is fetched; nothing that MLflow keeps is unpickled. What a version holds is written by
`recording`. MLflow's client is quiet, keeps everything in data/, and fails within seconds; `import mlflow`
takes seconds, so it happens after the cheap checks.
"""

import logging
import os
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from poc.errors import ModelDatabaseUnusable, ModelNotFound, ModelRegistryUnavailable, ModelUnusable
from poc.model.artifacts import file_errors, read_file, run_files
from poc.model.scoring import Scorer, open_scorer
from poc.settings import Settings, shown_uri

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

# Where a run keeps its model, and the file in it, the name of which is MLflow's.
MODEL_FOLDER = "model"
MODEL_FILE = "model.onnx"
# The tag of a version that tells which bytes were registered.
DIGEST = "sha256"
ANSWER_TIMEOUT_SECONDS = 5.0
_SQLITE = "sqlite:///"
# Which file each database was when it was last opened: device and inode, by its URI.
_held: dict[str, tuple[int, int]] = {}
# Taken where the environment says nothing else. MLflow's own are 120 s, tried eight times.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow reports its use to its makers unless told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HOME": gettempdir(),  # It asks for both, keeps nothing there, and ends where
    "USERNAME": "unknown",  # the system does not know the user.
}


def may_hold_a_model(settings: Settings) -> bool:
    """Tell whether a model can have been registered: not before the SQLite file of the registry is made."""
    file = database_file(settings)
    return file is None or file.is_file()


def open_client(settings: Settings) -> "MlflowClient":
    """Open the tracking store and model registry that `settings` name; a database is made if missing.

    Sets MLflow's request limits in this process's environment where that does not set them.

    Raises ModelRegistryUnavailable: it does not answer within seconds, or cannot be opened.
    """
    uri = settings.mlflow_tracking_uri
    _require_answer(uri)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with registry_errors(settings):
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # Ten attempts would wait 101 s in all for a database that cannot be opened.
        utils.MAX_RETRY_COUNT = 2
        _leave_replaced(settings)
        return MlflowClient(tracking_uri=uri)


def database_file(settings: Settings) -> Path | None:
    """Name the SQLite file of the tracking store; None if it is something else."""
    uri = settings.mlflow_tracking_uri
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def is_server(settings: Settings) -> bool:
    """Tell whether the tracking store is an MLflow server, which then keeps the artifacts too."""
    return urlsplit(settings.mlflow_tracking_uri).scheme in ("http", "https")


@contextmanager
def registry_errors(settings: Settings) -> Iterator[None]:
    """Turn what MLflow raises inside into ModelRegistryUnavailable."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        file = database_file(settings)
        if file is not None:
            raise ModelDatabaseUnusable(file, _reason(error), _is_damaged(file)) from error
        raise ModelRegistryUnavailable(shown_uri(settings.mlflow_tracking_uri), _reason(error)) from error


def _leave_replaced(settings: Settings) -> None:
    """Let go of a database file that another one has taken the place of: MLflow holds the first for ever."""
    file, uri = database_file(settings), settings.mlflow_tracking_uri
    if file is None or not file.exists():
        return
    status = file.stat()
    is_now = (status.st_dev, status.st_ino)
    if _held.setdefault(uri, is_now) == is_now:
        return
    _held[uri] = is_now
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Models
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

    for store in (Models, Runs):
        if uri in store._engine_map:
            store._engine_map[uri].dispose()


def _is_damaged(file: Path) -> bool:
    """Tell whether SQLite finds that a file is none of its own, or not whole."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as database:
            found: tuple[str] = database.execute("PRAGMA quick_check(1)").fetchone()
            return found != ("ok",)
    except sqlite3.OperationalError:
        return False  # Locked, or not to be read by this user.
    except sqlite3.DatabaseError:
        return True


def _require_answer(uri: str) -> None:
    """Ask a server whether it is well: a second's work, where MLflow's client would take minutes to fail."""
    try:
        where, scheme = shown_uri(uri), urlsplit(uri).scheme
    except ValueError as error:
        raise ModelRegistryUnavailable(uri, str(error)) from error
    if scheme not in ("http", "https"):
        return
    try:
        with urlopen(Request(f"{where.rstrip('/')}/health"), timeout=ANSWER_TIMEOUT_SECONDS):
            pass
    except HTTPError:
        # It answers. Whether it wants a password or has no such page is up to MLflow's client.
        return
    except URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return  # MLflow's client may have been given certificates that we do not know of.
        raise ModelRegistryUnavailable(where, str(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise ModelRegistryUnavailable(where, str(error) or type(error).__name__) from error


def _reason(error: BaseException) -> str:
    """Say in one line what went wrong: for a failed request, what the connection said."""
    cause: object = error.__cause__
    while isinstance(cause, BaseException) and cause.args and isinstance(cause.args[0], BaseException):
        cause = cause.args[0]
    deepest = getattr(cause, "reason", None)
    text = str(error if deepest is None else deepest).strip()
    return text.splitlines()[0] if text else type(error).__name__


def load_scorer(settings: Settings) -> Scorer:
    """Load the version of the registered model that the alias of `settings` points to.

    Raises:
        ModelNotFound: there is no such model, or no such alias.
        ModelRegistryUnavailable: MLflow does not answer, within seconds.
        ModelUnusable: what is registered was not made by our training.
    """
    client, version = _served_version(settings)
    return _open_version(client, settings, version, settings.model_alias)


def refresh_scorer(settings: Settings, scorer: Scorer) -> Scorer:
    """Return `scorer` if its version is still the one to be served, and else that one, as `load_scorer`."""
    client, version = _served_version(settings)
    served = (version.name, str(version.version), version.run_id)
    if served == (scorer.name, scorer.version, scorer.card.run_id):
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

    Raises ModelRegistryUnavailable: MLflow does not answer; the alias is where it was.
    """
    client = open_client(settings)
    with registry_errors(settings):
        client.set_registered_model_alias(settings.model_name, settings.model_alias, version)


def _served_version(settings: Settings) -> "tuple[MlflowClient, ModelVersion]":
    name, alias, file = settings.model_name, settings.model_alias, database_file(settings)
    if file is not None and not file.exists():
        # Asking MLflow would make the database, with all its tables, to find nothing in it.
        raise ModelNotFound(name, alias, shown_uri(settings.mlflow_tracking_uri))
    client = open_client(settings)
    from mlflow.exceptions import MlflowException

    with registry_errors(settings):
        try:
            return client, client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            # A missing alias is an INVALID_PARAMETER_VALUE to MLflow.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise ModelNotFound(name, alias, shown_uri(settings.mlflow_tracking_uri)) from error
            raise


def _open_version(
    client: "MlflowClient", settings: Settings, version: "ModelVersion", alias: str | None
) -> Scorer:
    described = f"{version.name} version {version.version}"
    if not version.run_id:
        raise ModelUnusable(described, "it belongs to no run of our training")
    own = None if is_server(settings) else run_files(settings, version.run_id)
    with registry_errors(settings), file_errors():
        onnx_model = read_file(client, version.run_id, f"{MODEL_FOLDER}/{MODEL_FILE}", own, described)
    registered = version.tags.get(DIGEST)
    if registered is not None and sha256(onnx_model).hexdigest() != registered:
        raise ModelUnusable(described, f"its {MODEL_FILE} is not the one that was registered")
    return open_scorer(
        onnx_model, name=version.name, version=str(version.version), alias=alias, run_id=version.run_id
    )
