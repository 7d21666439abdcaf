"""Spark's materialization against the Arrow engine's: the same rows online, the time, the memory.

Each engine runs in processes of its own into a keyspace of its own. Memory is that of all of them: the
driver, Spark's Java process, the Python workers.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from cassandra.cluster import Session

from poc.benchmarks.keyspace import own_keyspace
from poc.benchmarks.records import make_repo, write_records
from poc.comparison.row_layout import ARROW_ENGINE, ROW_STORE
from poc.database.endpoint import Endpoint
from poc.definitions import FeatureSet, read_definitions, read_repo_yaml
from poc.errors import BenchmarkFailed, OnlineValuesDiffer
from poc.settings import Settings

SPARK_YAML = Path("stores/spark.yaml")
SAMPLE_SECONDS = 0.2
_CHILD = "poc.benchmarks.one_materialization"
_OWN_VARIABLES = ("CASSANDRA_HOSTS", "CASSANDRA_PORT", "FEAST_FS_YAML_FILE_PATH", "FEAST_REPO_PATH")
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine's run.

    Attributes:
        engine: its name for a person.
        seconds: from Feast's call until it returned, the start of Spark included.
        peak_mib: most memory that all processes held at one moment, shared pages counted in each.
        peak_mib_by_part: most that each part held: `driver`, `java`, `workers`.
    """

    engine: str
    seconds: float
    peak_mib: float
    peak_mib_by_part: Mapping[str, float]

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {size:.0f}" for part, size in self.peak_mib_by_part.items())
        return f"{self.engine}: {self.seconds:.1f} s, at most {self.peak_mib:.0f} MiB ({parts})"


@dataclass(frozen=True, slots=True)
class SparkCheck:
    """Both engines over the same Parquet.

    Attributes:
        rows: rows online, in either keyspace; every value and write time of every one is equal.
        measured: the runs.
    """

    rows: int
    measured: tuple[Measured, ...]


def check_spark(
    settings: Settings,
    endpoint: Endpoint,
    session: Session,
    rows: int,
    announce: Callable[[object], object] = lambda what: None,
) -> SparkCheck:
    """Materialize `rows` rows with both engines, and compare every stored row.

    Args:
        settings: whose features are materialized; Spark is configured by stores/spark.yaml beside them.
        endpoint: the Cassandra; either engine gets a keyspace of its own there, dropped afterwards.
        session: to it.
        rows: how many, each of another transaction.
        announce: told what happens, and each run's figures.

    Raises:
        BenchmarkFailed: a run did not end well.
        OnlineValuesDiffer: the stored rows are not the same, or not that many.
    """
    definitions = read_definitions(settings)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    lake = settings.model_copy(update={"feast_fs_yaml_file_path": settings.feast_repo_path / SPARK_YAML})
    engines = {
        "Arrow": (settings, {"type": ARROW_ENGINE}),
        "Spark": (lake, read_repo_yaml(lake)["batch_engine"]),
    }
    measured, tables = [], []
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        announce(f"Writing {rows:,} rows of Parquet")
        write_records(definitions, rows, folder / definitions.source_path, now)
        for engine, (selected, block) in engines.items():
            keyspace = stack.enter_context(own_keyspace(session))
            repo = make_repo(selected, folder / keyspace, endpoint, keyspace, ROW_STORE, block)
            announce(f"{rows:,} rows with the {engine} engine")
            measured.append(_measure(engine, folder, repo, now))
            announce(measured[-1])
            tables.append(f"{keyspace}.{read_repo_yaml(settings)['project']}__{definitions.view}")
        announce("Comparing every stored row")
        found = compare_tables(session, definitions, *tables)
    if found != rows:
        raise OnlineValuesDiffer([f"{found:,} rows are online, not {rows:,}"])
    return SparkCheck(found, tuple(measured))


def compare_tables(session: Session, definitions: FeatureSet, first: str, second: str) -> int:
    """Compare two tables of the row layout row by row, write times included, and count their rows.

    Raises:
        OnlineValuesDiffer: a row is not the same in both.
    """
    written = f"writetime({definitions.names[0]})"
    columns = ", ".join([definitions.join_key, *definitions.names, "event_timestamp", "created_timestamp"])
    # Both keyspaces lie on one ring: the same keys come in the same order.
    scans = [_rows(session, f"SELECT {columns}, {written} FROM {table}") for table in (first, second)]
    count = 0
    for one, other in zip_longest(*scans):
        if one != other:
            raise OnlineValuesDiffer([f"{first} has {one}, {second} has {other}"])
        count += 1
    return count


def _rows(session: Session, query: str) -> Iterator[tuple[object, ...]]:
    for row in session.execute(query):
        yield tuple(row)


def _measure(engine: str, folder: Path, repo: Path, now: datetime) -> Measured:
    interval = (now - timedelta(days=30), now + timedelta(days=1))
    # Nothing of the caller's may name another place than the yaml.
    environment = {key: value for key, value in os.environ.items() if key not in _OWN_VARIABLES}
    output, errors = repo / "output", repo / "errors"
    with output.open("w") as stdout, errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, *(moment.isoformat() for moment in interval)],
            cwd=folder,
            env=environment | {"FEAST_REPO_PATH": str(repo)},
            stdout=stdout,
            stderr=stderr,
        )
        try:
            peak, by_part = _watch_memory(process)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise BenchmarkFailed(f"The {engine} engine", errors.read_text())
    seconds = json.loads(output.read_text().splitlines()[-1])["seconds"]
    return Measured(engine, seconds, peak, by_part)


def _watch_memory(process: "subprocess.Popen[bytes]") -> tuple[float, dict[str, float]]:
    """Wait for the end of `process`; give the most that its family held, and the most of each part."""
    watched = psutil.Process(process.pid)
    peak, by_part = 0.0, {"driver": 0.0}
    while process.poll() is None:
        held = {"driver": 0.0}
        try:
            for member in (watched, *watched.children(recursive=True)):
                part = "driver" if member == watched else "java" if "java" in member.name() else "workers"
                held[part] = held.get(part, 0.0) + member.memory_info().rss / _MIB
        except psutil.NoSuchProcess:
            continue
        peak = max(peak, sum(held.values()))
        by_part = {part: max(by_part.get(part, 0.0), held.get(part, 0.0)) for part in {**by_part, **held}}
        time.sleep(SAMPLE_SECONDS)
    return peak, by_part
