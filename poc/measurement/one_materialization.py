"""The repository's features over generated records, in a keyspace of their own, materialized in a process.

    python -m poc.measurement.one_materialization START END [--generation]

With --generation each view goes into a new generation of the row store, which is held to the source and then
served, as a full run of feast_materialize.py does.

A process of its own, so that its peak memory is its own: it imports what it needs and no more. It reads its
settings from the environment like every script, and prints one JSON object on standard output.
"""

import json
import os
import re
import resource
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from poc.child_process import Process
from poc.command_line import parse_time, run
from poc.dataset.generate import can_generate, generate_records
from poc.definitions import DECLARED_IN, ServedFeatures, applied_service
from poc.errors import BenchmarkFailed, InvalidDefinitions, OnlineValuesDiffer
from poc.online_store.connection import ConnectionSettings
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA
from poc.settings import load_settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.measurement.place import Place

SPAN = timedelta(days=20)
ROW_GROUP = 50_000
SAMPLES = 20
# Dropping waits for a flush.
DROP_SECONDS = 120.0
GENERATION = "--generation"
# Nothing of the caller's may name another place than the repository's yaml.
_OWN_VARIABLES = ("CASSANDRA_HOSTS", "CASSANDRA_PORT", "FEAST_FS_YAML_FILE_PATH", "FEAST_REPO_PATH")


def write_sources(
    served: ServedFeatures, rows: int, folder: Path, until: datetime | None = None
) -> list[Path]:
    """Write the Parquet of every view below `folder`; return the files.

    Each has `rows` transactions, one record each, evenly spread over 20 days before `until`, which is now.
    Raises `InvalidDefinitions` where there are no records for a view, or its own files would be written over.
    """
    newest = int((datetime.now(timezone.utc) if until is None else until).timestamp()) * 1_000_000
    ages = np.linspace(SPAN.total_seconds() * 1e6, 1e6, rows).astype(np.int64)
    moments = pa.array(newest - ages, pa.timestamp("us", "UTC"))
    paths = []
    for definitions in served.feature_sets:
        if definitions.source_path.is_absolute() or not can_generate(definitions):
            raise InvalidDefinitions(
                DECLARED_IN,
                f"view {definitions.view} cannot be measured with generated records, which are for views with"
                " one join key, a text, and a source whose path is relative",
            )
        paths.append(folder / definitions.source_path)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        records = generate_records(definitions, ids=record_ids(rows))
        table = pa.Table.from_pandas(records, preserve_index=False)
        for column in (definitions.timestamp_column, definitions.created_timestamp_column):
            if column is not None:
                table = table.append_column(column, moments)
        pq.write_table(table, paths[-1], row_group_size=ROW_GROUP)
    return paths


def record_ids(rows: int) -> list[str]:
    """Return the ids of so many records."""
    return [f"T{number:09d}" for number in range(rows)]


@contextmanager
def own_repo(place: "Place", folder: Path, online_type: str, engine: Mapping[str, Any]) -> Iterator[Path]:
    """Make a keyspace with one copy of everything, and a repository for it in `folder`, of the same name.

    The keyspace is dropped when the block ends.
    """
    keyspace, session = f"benchmark_{uuid.uuid4().hex[:12]}", place.session
    ensure_keyspace(session, replace(place.connection, replication=None, replication_factor=None), keyspace)
    try:
        block = cassandra_block(place.connection, online_type, keyspace)
        yield make_repo(place.store, folder / keyspace, block, engine)
    finally:
        session.execute(f"DROP KEYSPACE {keyspace}", timeout=DROP_SECONDS, execution_profile=SCHEMA)


def cassandra_block(connection: ConnectionSettings, online_type: str, keyspace: str) -> dict[str, Any]:
    """Return an `online_store` block of what either Cassandra store can be told of `connection`."""
    block: dict[str, Any] = {"type": online_type, "keyspace": keyspace}
    if connection.hosts:
        block |= {"hosts": list(connection.hosts), "port": connection.port}
    for name in ("secure_bundle_path", "username", "password", "protocol_version"):
        block[name] = getattr(connection, name)
    if online_type != "cassandra" and connection.tls is not None:
        block["tls"] = asdict(connection.tls)
    return {key: value for key, value in block.items() if value is not None}


def make_repo(
    store: "FeatureStore", folder: Path, online_store: Mapping[str, Any], engine: Mapping[str, Any]
) -> Path:
    """Copy the Python files of the repository of `store` into `folder`, for another online store and engine.

    The configuration is otherwise that of `store`, with a registry in `folder`, which is returned.
    """
    from feast.repo_operations import get_repo_files

    from poc.measurement.place import configuration, write_configuration

    origin = Path(store.repo_path).resolve()
    for path in get_repo_files(origin):
        copied = folder / Path(path).resolve().relative_to(origin)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    registry = str((folder / "registry.db").resolve())
    blocks = {"online_store": dict(online_store), "batch_engine": dict(engine)}
    write_configuration(configuration(store, registry=registry, **blocks), folder / "feature_store.yaml")
    return folder


def materialize(
    what: str, repo: Path, folder: Path, *options: str, watch: Callable[[Process], object] = Process.wait
) -> dict[str, float]:
    """Materialize all records of this month that the repository's sources have below `folder`, in a process.

    `watch` is called with it, and returns when it has ended. Returns `seconds`, `peak_mib` and, of before it,
    `before_mib`. Raises BenchmarkFailed, in which `what` names it, where it did not end well.
    """
    now = datetime.now(timezone.utc)
    interval = (now - timedelta(days=30), now + timedelta(days=1))
    environment = {key: value for key, value in os.environ.items() if key not in _OWN_VARIABLES}
    environment |= {"FEAST_REPO_PATH": str(repo.resolve()), "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", __name__, *(moment.isoformat() for moment in interval), *options]
    with (repo / "output").open("w") as output, (repo / "errors").open("w") as errors:
        process = Process(command, cwd=folder, env=environment, stdout=output, stderr=errors)
    try:
        watch(process)
    finally:
        process.kill()
        status = process.wait()
    if status != 0:
        raise BenchmarkFailed(what, (repo / "errors").read_text())
    found: dict[str, float] = json.loads((repo / "output").read_text().splitlines()[-1])
    return found


def main() -> None:
    """Apply the definitions, materialize, and read some of it back."""
    start, end = (parse_time(text) for text in sys.argv[1:3])
    settings = load_settings()
    from poc.dataset.stored import sample_keys
    from poc.feature_store import open_feature_store
    from poc.materialization.verification import check_entities
    from poc.repository import apply_definitions

    apply_definitions(settings)
    store = open_feature_store(settings)
    served = applied_service(store, settings.feature_service)
    before_mib = _peak_mib()
    began = time.perf_counter()
    with redirect_stdout(sys.stderr):
        if GENERATION in sys.argv[3:]:
            _serve_new_generations(store, served, start, end)
        else:
            store.materialize(start, end)
    seconds, peak = time.perf_counter() - began, _peak_mib()
    checks = check_entities(store, served, sample_keys(served, SAMPLES))
    wrong = [str(difference) for check in checks for difference in check.differences]
    if wrong:
        raise OnlineValuesDiffer(wrong)
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "before_mib": before_mib}))


def _serve_new_generations(
    store: "FeatureStore", served: ServedFeatures, start: datetime, end: datetime
) -> None:
    from poc.materialization.rebuild import new_generation
    from poc.online_store.generations import Content

    for definitions in served.feature_sets:
        with new_generation(store, definitions) as generation:
            store.materialize(start, end, feature_views=[definitions.view])
            generation.serve(Content(start, end, "", generation.check(start, end)))


def _peak_mib() -> float:
    status = Path("/proc/self/status")
    # Linux's ru_maxrss begins with what the process that started this one held.
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.is_file() else None
    if found is not None:
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    run(main)
