"""Spark's materialization against the Arrow engine's: the same rows online, the time, the memory.

Each engine runs in processes of its own into a keyspace of its own. Memory is that of all of them: the
driver, Spark's Java process, the Python workers.
"""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import zip_longest
from operator import or_
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from poc.child_process import Process
from poc.command_line import note
from poc.definitions import FeatureSet
from poc.errors import OnlineValuesDiffer
from poc.feature_store import open_feature_store
from poc.measurement.one_materialization import materialize, own_repo, write_sources
from poc.measurement.place import ARROW_ENGINE, ROW_STORE, Place
from poc.online_store.naming import CREATED_TIMESTAMP, EVENT_TIMESTAMP, column_name, quoted, table_name
from poc.online_store.session import READ, Session
from poc.repository import declared_service

SPARK_YAML = Path("stores/spark.yaml")
SAMPLE_SECONDS = 0.2
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine's run: from Feast's call until it returned, the start of Spark included.

    `peak_mib` is the most memory that all processes held at one moment, shared pages counted in each,
    `peak_mib_by_part` the most that each part held: `driver`, `java`, `workers`.
    """

    engine: str
    seconds: float
    peak_mib: float
    peak_mib_by_part: Mapping[str, float]

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {size:.0f}" for part, size in self.peak_mib_by_part.items())
        return f"{self.engine}: {self.seconds:.1f} s, at most {self.peak_mib:.0f} MiB ({parts})"


def check_spark(place: Place, rows: int) -> list[Measured]:
    """Materialize `rows` rows with both engines, compare every stored row, and return both runs.

    Spark is configured by stores/spark.yaml. What happens, and each run's figures, are told. Raises
    `BenchmarkFailed` where a run did not end well, `OnlineValuesDiffer` unless all rows are the same.
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
        note(f"Writing {rows:,} rows of Parquet")
        write_sources(served, rows, folder)
        for engine, (store, block) in engines.items():
            repo = stack.enter_context(own_repo(replace(place, store=store), folder, ROW_STORE, block))
            keyspaces.append(repo.name)
            note(f"{rows:,} rows with the {engine} engine")
            samples: list[Counter[str]] = []
            watch = partial(_sample_memory, samples=samples)
            took = materialize(f"The {engine} engine", repo, folder, watch=watch)
            # The union of two counters has the greater count of each.
            parts = {part: size / _MIB for part, size in reduce(or_, samples, Counter[str]()).items()}
            peak = max(map(Counter.total, samples), default=0) / _MIB
            measured.append(Measured(engine, took["seconds"], peak, parts))
            note(measured[-1])
        note("Comparing every stored row")
        for definitions in served.feature_sets:
            table = quoted(table_name(place.store.project, definitions.view))
            found = _compare_tables(place.session, definitions, *(f"{name}.{table}" for name in keyspaces))
            if found != rows:
                raise OnlineValuesDiffer([f"{found:,} rows of {definitions.view} are online, not {rows:,}"])
    return measured


def _compare_tables(session: Session, definitions: FeatureSet, first: str, second: str) -> int:
    """Return how many rows two tables of the row layout have; `OnlineValuesDiffer` unless all are the same.

    Write times are part of a row.
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


def _sample_memory(process: Process, samples: list[Counter[str]]) -> None:
    """Note again and again which part of it, and of those it started, holds how many bytes, until it ends."""
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        held = Counter[str]()
        with suppress(psutil.NoSuchProcess):
            for member in (watched, *watched.children(recursive=True)):
                part = "driver" if member == watched else "java" if "java" in member.name() else "workers"
                held[part] += member.memory_info().rss
            samples.append(held)
        time.sleep(SAMPLE_SECONDS)
