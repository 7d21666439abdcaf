"""A project of any size to measure with: the repository's features over generated records."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from poc.database.endpoint import Endpoint
from poc.dataset.generate import generate_records
from poc.definitions import FeatureSet, read_repo_yaml
from poc.settings import Settings

SPAN = timedelta(days=20)
ROW_GROUP = 50_000


def write_records(definitions: FeatureSet, rows: int, path: Path, until: datetime) -> None:
    """Write a Parquet of `rows` transactions, one record each, evenly spread over 20 days before `until`."""
    ids = [f"T{number:09d}" for number in range(rows)]
    table = pa.Table.from_pandas(generate_records(definitions, ids=ids), preserve_index=False)
    newest = int(until.timestamp()) * 1_000_000
    ages = np.linspace(SPAN.total_seconds() * 1e6, 1e6, rows).astype(np.int64)
    moments = pa.array(newest - ages, pa.timestamp("us", "UTC"))
    table = table.append_column(definitions.timestamp_column, moments)
    if definitions.created_timestamp_column is not None:
        table = table.append_column(definitions.created_timestamp_column, moments)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=ROW_GROUP)


def make_repo(
    settings: Settings,
    folder: Path,
    endpoint: Endpoint,
    keyspace: str,
    online_type: str,
    engine: dict[str, Any],
) -> Path:
    """Copy features.py into `folder`, with a yaml for that store and engine, and a registry there.

    Returns:
        The feature repository, for FEAST_REPO_PATH.
    """
    folder.mkdir(parents=True)
    shutil.copy(settings.feast_repo_path / "features.py", folder)
    online_store = {
        "type": online_type,
        "hosts": list(endpoint.hosts),
        "port": endpoint.port,
        "keyspace": keyspace,
        "username": endpoint.username,
        "password": endpoint.password,
    }
    content = read_repo_yaml(settings) | {
        "registry": str((folder / "registry.db").resolve()),
        "online_store": {key: value for key, value in online_store.items() if value is not None},
        "batch_engine": engine,
    }
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(content))
    return folder
