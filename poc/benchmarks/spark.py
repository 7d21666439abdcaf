"""Spark's materialization against the Arrow engine's: the same rows online, the time, the memory.

Each engine runs in processes of its own into a keyspace of its own. Memory is that of all of them: the
driver, Spark's Java process, the Python workers.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from poc.benchmarks.one_materialization import Process, outcome, start_materialization
from poc.benchmarks.records import own_repo, write_sources
from poc.comparison.stores import Place
from poc.comparison.variants import ARROW_ENGINE, ROW_STORE
from poc.definitions import FeatureSet
from poc.errors import OnlineValuesDiffer
from poc.feature_store import declared_service, open_feature_store
from poc.online_store.naming import CREATED_TIMESTAMP, EVENT_TIMESTAMP, column_name, quoted, table_name
from poc.online_store.session import READ, Session

SPARK_YAML = Path("stores/spark.yaml")
SAMPLE_SECONDS = 0.2
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine's run.

    Attributes:
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
    """Both engines' runs over the same Parquet, and how many rows are online with either, all equal."""

    rows: int
    measured: tuple[Measured, ...]


def check_spark(
    place: Place, rows: int, announce: Callable[[object], object] = lambda what: None
) -> SparkCheck:
    """Materialize `rows` rows with both engines, and compare every stored row.

    Each engine has a keyspace of its own that is dropped afterwards; Spark is configured by stores/spark.yaml
    beside the features of `place`. `announce` is told what happens, and each run's figures.

    Raises:
        BenchmarkFailed: a run did not end well.
        OnlineValuesDiffer: the stored rows are not the same, or not that many.
    """
    served = declared_service(place.settings)
    spark_yaml = place.settings.feast_repo_path / SPARK_YAML
    lake = open_feature_store(place.settings.model_copy(update={"feast_fs_yaml_file_path": spark_yaml}))
    engines = {
        "Arrow": (place.store, {"type": ARROW_ENGINE}),
        "Spark": (lake, lake.config.batch_engine.model_dump(exclude_unset=True)),
    }
    measured, keyspaces = [], []
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        announce(f"Writing {rows:,} rows of Parquet")
        write_sources(served, rows, folder)
        for engine, (store, block) in engines.items():
            repo = stack.enter_context(own_repo(replace(place, store=store), folder, ROW_STORE, block))
            keyspaces.append(repo.name)
            announce(f"{rows:,} rows with the {engine} engine")
            measured.append(_measure(engine, folder, repo))
            announce(measured[-1])
        announce("Comparing every stored row")
        for definitions in served.feature_sets:
            table = quoted(table_name(place.store.project, definitions.view))
            found = compare_tables(place.session, definitions, *(f"{name}.{table}" for name in keyspaces))
            if found != rows:
                raise OnlineValuesDiffer([f"{found:,} rows of {definitions.view} are online, not {rows:,}"])
    return SparkCheck(rows, tuple(measured))


def compare_tables(session: Session, definitions: FeatureSet, first: str, second: str) -> int:
    """Compare two tables of the row layout row by row, write times included, and count their rows.

    Raises:
        OnlineValuesDiffer: a row is not the same in both.
    """
    names = [column_name(name) for name in (*definitions.key_names, *definitions.names)]
    columns = ", ".join(map(quoted, (*names, EVENT_TIMESTAMP, CREATED_TIMESTAMP)))
    written = f"writetime({quoted(EVENT_TIMESTAMP)})"
    # Both keyspaces lie on one ring: the same keys come in the same order.
    scans = [
        session.execute(f"SELECT {columns}, {written} FROM {table}", execution_profile=READ)
        for table in (first, second)
    ]
    count = 0
    for one, other in zip_longest(*scans):
        if one != other:
            raise OnlineValuesDiffer([f"{first} has {one}, {second} has {other}"])
        count += 1
    return count


def _measure(engine: str, folder: Path, repo: Path) -> Measured:
    process = start_materialization(repo, folder)
    try:
        peak, by_part = _watch_memory(process)
    finally:
        process.kill()
        process.wait()
    found = outcome(f"The {engine} engine", process, repo)
    return Measured(engine, found["seconds"], peak, by_part)


def _watch_memory(process: Process) -> tuple[float, dict[str, float]]:
    """Wait for the end of `process`; return the most that its family held, and the most of each part."""
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
