"""A materialization in a process of its own: what is measured there is its alone."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from poc.errors import BenchmarkFailed

_MODULE = "poc.benchmarks.one_materialization"
# Nothing of the caller's may name another place than the repository's yaml.
_OWN_VARIABLES = ("CASSANDRA_HOSTS", "CASSANDRA_PORT", "FEAST_FS_YAML_FILE_PATH", "FEAST_REPO_PATH")


def start_materialization(
    repo: Path, folder: Path, now: datetime, stdout: int | IO[str], stderr: int | IO[str]
) -> "subprocess.Popen[str]":
    """Start to materialize all records up to `now` that the repository's sources have below `folder`."""
    interval = (now - timedelta(days=30), now + timedelta(days=1))
    environment = {key: value for key, value in os.environ.items() if key not in _OWN_VARIABLES}
    return subprocess.Popen(
        [sys.executable, "-m", _MODULE, *(moment.isoformat() for moment in interval)],
        cwd=folder,
        env=environment | {"FEAST_REPO_PATH": str(repo.resolve())},
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


def materialize(what: str, repo: Path, folder: Path, now: datetime) -> dict[str, float]:
    """Do so to the end; return what `one_materialization` prints.

    Raises:
        BenchmarkFailed: it did not end well; `what` names it.
    """
    with start_materialization(repo, folder, now, subprocess.PIPE, subprocess.PIPE) as process:
        said, errors = process.communicate()
    return outcome(what, process.returncode, said, errors)


def outcome(what: str, status: int, said: str, errors: str) -> dict[str, float]:
    """Read what a materialization that has ended printed.

    Raises:
        BenchmarkFailed: it did not end well.
    """
    if status != 0:
        raise BenchmarkFailed(what, errors)
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found
