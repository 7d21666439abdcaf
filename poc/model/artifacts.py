"""Where the files of training runs are: in the data folder, wherever that has gone since they were recorded.

MLflow writes absolute paths into its database. A checkout that is renamed, moved or copied takes database and
files along, and the paths are then of a place that is gone, or somebody else's.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from poc.errors import ModelFilesUnusable, ModelUnusable
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ARTIFACTS_FOLDER = "mlartifacts"
# Of a run, in its own folder; the name is MLflow's.
_FILES = "artifacts"
LOCK_SECONDS = 10.0


def artifacts_folder(settings: Settings) -> Path:
    """Return where runs keep their files, unless an MLflow server keeps them."""
    return (settings.data_dir / ARTIFACTS_FOLDER).resolve()


def run_files(settings: Settings, run_id: str) -> Path:
    """Return where the files of a run are, if they are in the data folder."""
    return artifacts_folder(settings) / run_id / _FILES


def read_file(client: "MlflowClient", run_id: str, name: str, own: Path | None, model: str) -> bytes:
    """Read a file of a run.

    Args:
        own: where the run's files are, if they are in the data folder. It goes before what is recorded, which
            may be the checkout that this one was copied from. None where a server keeps them.
        model: whose file it is, for the error.

    Raises:
        ModelUnusable: it is gone.
    """
    from mlflow.exceptions import MlflowException

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
        raise ModelUnusable(model, f"its {name} is gone: it is not in {looked}") from error


def is_left(location: str, settings: Settings) -> bool:
    """Tell whether `location`, that of an experiment, is another data folder than that of `settings`."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return False
    folder = Path(url2pathname(parts.path))
    return folder.name == ARTIFACTS_FOLDER and folder != artifacts_folder(settings)


def bring_home(settings: Settings, database: Path, experiment_id: str) -> None:
    """Write the present data folder into `database`, a SQLite file, for an experiment and its runs.

    A run whose files are not there keeps what was recorded. MLflow has no call for it.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as opened, opened:
        runs = opened.execute(
            "SELECT run_uuid FROM runs WHERE experiment_id = ?", (experiment_id,)
        ).fetchall()
        found = [(run_files(settings, run_id), run_id) for (run_id,) in runs]
        opened.executemany(
            "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?",
            [(files.as_uri(), run_id) for files, run_id in found if files.is_dir()],
        )
        opened.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
            (artifacts_folder(settings).as_uri(), experiment_id),
        )


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn what a file system refuses inside into ModelFilesUnusable; what a network does goes through."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise ModelFilesUnusable(Path(error.filename), error.strerror or str(error)) from error
