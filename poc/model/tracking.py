"""MLflow as training and servers use it: its client, the errors of both, and where the files of runs are.

The client is quiet, keeps everything in data/, and fails within seconds; `import mlflow` takes seconds, so it
happens after the cheap checks. MLflow writes absolute paths into its database. A checkout that is renamed,
moved or copied takes database and files along, and the paths are then of a place that is gone, or somebody
else's: the data folder goes before what was recorded.
"""

import logging
import os
import sqlite3
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from poc.errors import ModelDatabaseUnusable, ModelFilesUnusable, ModelRegistryUnavailable, without_login
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ANSWER_TIMEOUT_SECONDS = 5.0
LOCK_SECONDS = 10.0
ARTIFACTS_FOLDER = "mlartifacts"
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
    "HOME": os.sep,  # It asks for both, keeps nothing there, and ends where
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
    _require_answer(settings)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with registry_errors(settings):
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SADeprecationWarning

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # What SQLAlchemy will do without one day is nothing that who serves a model can change.
        warnings.filterwarnings("ignore", category=SADeprecationWarning)
        # Ten attempts would wait 101 s in all for a database that cannot be opened.
        utils.MAX_RETRY_COUNT = 2
        _leave_replaced(settings)
        return MlflowClient(tracking_uri=settings.mlflow_tracking_uri)


def database_file(settings: Settings) -> Path | None:
    """Name the SQLite file of the tracking store; None if it is something else."""
    uri = settings.mlflow_tracking_uri
    return Path(unquote(uri.removeprefix(_SQLITE).partition("?")[0])) if uri.startswith(_SQLITE) else None


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
    # An ImportError: of a database's driver, which MLflow leaves to its user.
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        file = database_file(settings)
        if file is not None:
            raise ModelDatabaseUnusable(file, _reason(error), _is_damaged(file)) from error
        raise ModelRegistryUnavailable(settings.mlflow_tracking_uri, _reason(error)) from error


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn what a file system refuses inside into ModelFilesUnusable; what a network does goes through."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise ModelFilesUnusable(Path(error.filename), error.strerror or str(error)) from error


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


def _require_answer(settings: Settings) -> None:
    """Ask a server whether it is well: a second's work, where MLflow's client would take minutes to fail."""
    where = without_login(settings.mlflow_tracking_uri)
    try:
        if not is_server(settings):
            return
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


def artifacts_folder(settings: Settings) -> Path:
    """Return where runs keep their files, unless an MLflow server keeps them."""
    return (settings.data_dir / ARTIFACTS_FOLDER).resolve()


def run_files(settings: Settings, run_id: str) -> Path:
    """Return where the files of a run are, if they are in the data folder."""
    return artifacts_folder(settings) / run_id / "artifacts"


def find_again(settings: Settings) -> None:
    """Let MLflow find the runs of a checkout that was moved; training does so by itself.

    Raises ModelRegistryUnavailable: MLflow does not answer, or its database cannot be written.
    """
    client = open_client(settings)
    with registry_errors(settings):
        find_experiment(client, settings)


def find_experiment(client: "MlflowClient", settings: Settings) -> str | None:
    """Return the model's experiment, if there is one, after it was told where the data folder is."""
    found, database = client.get_experiment_by_name(settings.model_name), database_file(settings)
    if found is None:
        return None
    recorded = urlsplit(found.artifact_location)
    folder = Path(url2pathname(recorded.path))
    is_a_data_folder = recorded.scheme in ("", "file") and folder.name == ARTIFACTS_FOLDER
    if database is not None and is_a_data_folder and folder != artifacts_folder(settings):
        _bring_home(settings, database, found.experiment_id)
    return str(found.experiment_id)


def _bring_home(settings: Settings, database: Path, experiment_id: str) -> None:
    """Write the present data folder into SQLite's file, for an experiment and its runs: MLflow has no call.

    A run whose files are not there keeps what was recorded.
    """
    with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as opened, opened:
        runs = opened.execute("SELECT run_uuid FROM runs WHERE experiment_id = ?", (experiment_id,))
        for (run_id,) in runs.fetchall():
            files = run_files(settings, run_id)
            if files.is_dir():
                moved = (files.as_uri(), run_id)
                opened.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", moved)
        home = (artifacts_folder(settings).as_uri(), experiment_id)
        opened.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", home)
