"""A project of any size to measure with: the repository's features over generated records."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore
from feast.repo_operations import get_repo_files

from poc.comparison.stores import Place
from poc.comparison.variants import ROW_STORE, configuration, write_configuration
from poc.dataset.generate import can_generate, generate_records
from poc.definitions import DECLARED_IN, FeatureSet, ServedFeatures
from poc.errors import InvalidDefinitions
from poc.online_store.connection import ConnectionSettings
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA

SPAN = timedelta(days=20)
ROW_GROUP = 50_000
# Dropping waits for a flush.
DROP_SECONDS = 120.0


def write_sources(
    served: ServedFeatures, rows: int, folder: Path, until: datetime | None = None
) -> list[Path]:
    """Write the Parquet of every view below `folder`; return the files.

    Each has `rows` transactions, one record each, evenly spread over 20 days before `until`, which is now.

    Raises:
        InvalidDefinitions: there are no records for a view, or its own files would be written over.
    """
    paths, until = [], datetime.now(timezone.utc) if until is None else until
    for definitions in served.feature_sets:
        if definitions.source_path.is_absolute() or not can_generate(definitions):
            raise InvalidDefinitions(
                DECLARED_IN,
                f"view {definitions.view} cannot be measured with generated records, which are for views with"
                " one join key, a text, and a source whose path is relative",
            )
        paths.append(folder / definitions.source_path)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_records(definitions, rows, until), paths[-1], row_group_size=ROW_GROUP)
    return paths


def record_ids(rows: int) -> list[str]:
    """Name the transactions of so many records."""
    return [f"T{number:09d}" for number in range(rows)]


def _records(definitions: FeatureSet, rows: int, until: datetime) -> pa.Table:
    records = generate_records(definitions, ids=record_ids(rows))
    table = pa.Table.from_pandas(records, preserve_index=False)
    newest = int(until.timestamp()) * 1_000_000
    ages = np.linspace(SPAN.total_seconds() * 1e6, 1e6, rows).astype(np.int64)
    moments = pa.array(newest - ages, pa.timestamp("us", "UTC"))
    for column in (definitions.timestamp_column, definitions.created_timestamp_column):
        if column is not None:
            table = table.append_column(column, moments)
    return table


@contextmanager
def own_repo(place: Place, folder: Path, online_type: str, engine: Mapping[str, Any]) -> Iterator[Path]:
    """Make a keyspace with one copy of everything, and a repository for it in `folder`, of the same name.

    The keyspace is dropped when the block ends.
    """
    keyspace, session = f"benchmark_{uuid.uuid4().hex[:12]}", place.session
    ensure_keyspace(session, replace(place.connection, replication=None, replication_factor=None), keyspace)
    try:
        block = online_block(place.connection, online_type, keyspace)
        yield make_repo(place.store, folder / keyspace, block, engine)
    finally:
        session.execute(f"DROP KEYSPACE {keyspace}", timeout=DROP_SECONDS, execution_profile=SCHEMA)


def online_block(connection: ConnectionSettings, online_type: str, keyspace: str) -> dict[str, Any]:
    """Return an `online_store` block of what either Cassandra store can be told of `connection`."""
    block: dict[str, Any] = {"type": online_type, "keyspace": keyspace}
    if connection.hosts:
        block |= {"hosts": list(connection.hosts), "port": connection.port}
    for name in ("secure_bundle_path", "username", "password", "protocol_version"):
        block[name] = getattr(connection, name)
    if online_type == ROW_STORE and connection.tls is not None:
        block["tls"] = asdict(connection.tls)
    return {key: value for key, value in block.items() if value is not None}


def make_repo(
    store: FeatureStore, folder: Path, online_store: Mapping[str, Any], engine: Mapping[str, Any]
) -> Path:
    """Copy the Python files of the repository of `store` into `folder`, for another online store and engine.

    The configuration is otherwise that of `store`, with a registry in `folder`, which is returned.
    """
    origin = Path(store.repo_path).resolve()
    for path in get_repo_files(origin):
        copied = folder / Path(path).resolve().relative_to(origin)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    registry = str((folder / "registry.db").resolve())
    config = configuration(
        store, registry=registry, online_store=dict(online_store), batch_engine=dict(engine)
    )
    write_configuration(config, folder / "feature_store.yaml")
    return folder
