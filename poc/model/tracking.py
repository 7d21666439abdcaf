"""The way to MLflow: a client that is quiet, keeps everything in data/, and fails within seconds.

Knows where MLflow is and which of its errors mean that it is out of reach. What is kept there is up
to `registry` and `recording`. `import mlflow` takes seconds, so it happens after the cheap checks.
"""

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from poc.errors import ModelRegistryUnavailable
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ANSWER_TIMEOUT_SECONDS = 5.0
_SQLITE = "sqlite:///"
# Taken where the environment says nothing else. MLflow's own are 120 s, tried eight times.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow reports its use to its makers unless told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def open_client(settings: Settings) -> "MlflowClient":
    """Open the tracking store and model registry that `settings` name; a database is made if missing.

    Sets MLflow's request limits in this process's environment where that does not set them.

    Raises:
        ModelRegistryUnavailable: it does not answer within seconds, or cannot be opened.
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
        return MlflowClient(tracking_uri=uri)


def database_file(settings: Settings) -> Path | None:
    """Name the SQLite file of the tracking store; None if it is something else."""
    uri = settings.mlflow_tracking_uri
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def is_server(settings: Settings) -> bool:
    """Tell whether the tracking store is an MLflow server, which then keeps the artifacts too."""
    return urlsplit(settings.mlflow_tracking_uri).scheme in ("http", "https")


def shown_uri(uri: str) -> str:
    """Return `uri` without the user and password it may hold."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextmanager
def registry_errors(settings: Settings) -> Iterator[None]:
    """Turn what MLflow raises inside into ModelRegistryUnavailable."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ModelRegistryUnavailable(shown_uri(settings.mlflow_tracking_uri), _reason(error)) from error


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
