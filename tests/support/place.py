"""A copy of the project beside an embedded Cassandra: where the scripts are run as a person runs them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from few_records import put_few_records
from warm_python import warm

from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.settings import Settings

# Nothing of the caller's environment may lead the scripts elsewhere.
FORGOTTEN = ("CASSANDRA_", "FEAST_", "FEATURE_")


@dataclass(frozen=True)
class Place:
    """A copy of the project whose yaml is one of feature_repo/stores, at the port of a Cassandra.

    A read may take long: these tests are of faults, on a machine of any speed.
    """

    folder: Path
    yaml: Path
    cassandra: EmbeddedCassandra

    @property
    def settings(self) -> Settings:
        return Settings(
            _env_file=None,
            feast_repo_path=self.folder / "feature_repo",
            feast_fs_yaml_file_path=self.yaml,
            cassandra_dir=self.cassandra.folder.parent,
            cassandra_port=self.cassandra.port,
            data_dir=self.folder / "data",
            mlflow_tracking_uri=f"sqlite:///{self.folder}/data/mlflow.db",
            feature_timeout_seconds=20,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a script to the copy and its Cassandra."""
        settings = self.settings
        return {
            "FEAST_FS_YAML_FILE_PATH": str(self.yaml),
            "CASSANDRA_DIR": str(settings.cassandra_dir),
            "CASSANDRA_PORT": str(settings.cassandra_port),
            "FEATURE_TIMEOUT_SECONDS": str(settings.feature_timeout_seconds),
        }

    def start(
        self, *command: str, environment: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> "subprocess.Popen[str]":
        """Start a script or, with "-c", Python lines."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FORGOTTEN)}
        return subprocess.Popen(
            [python, *command],
            cwd=self.folder,
            env=kept | self.environment | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run it; its exit status, and all that it printed."""
        process = self.start(*command, environment=environment, python=warm("python"))
        out, err = process.communicate(timeout=400)
        return process.returncode, out + err


def make_place(
    folder: Path, store: str, cassandra: EmbeddedCassandra, copy_project: Callable[[Path], Path]
) -> Place:
    """Copy the project with few records to `folder`; `store` of feature_repo/stores names that Cassandra."""
    copy_project(folder)
    put_few_records(folder)
    yaml = folder / "feature_repo/stores" / store
    text = yaml.read_text().replace("port: 9042", f"port: {cassandra.port}")
    if len(cassandra.nodes) == 1:
        text = text.replace("    - 127.0.0.2\n    - 127.0.0.3\n", "").replace("factor: 3", "factor: 1")
    if cassandra.secure:
        text = text.replace("../.cassandra", str(cassandra.folder.parent))
    yaml.write_text(text)
    return Place(folder, yaml, cassandra)
