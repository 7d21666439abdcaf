"""How many bytes an entity takes on disk, in either layout, on a Cassandra started for it.

Only a node of one's own tells the size of its files; the virtual tables round to mebibytes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cassandra.cluster import Session

from poc.benchmarks.keyspace import own_keyspace
from poc.benchmarks.records import make_repo, write_records
from poc.benchmarks.setting import measured_on
from poc.comparison.row_layout import ARROW_ENGINE, ROW_STORE
from poc.database.embedded import start_embedded, stop_embedded
from poc.database.endpoint import Endpoint
from poc.database.sessions import cassandra_session
from poc.definitions import FeatureSet, read_definitions
from poc.errors import BenchmarkFailed
from poc.settings import Settings

DEFAULT_ROWS = 200_000
LAYOUTS = {"rows": ROW_STORE, "stock": "cassandra"}
_CHILD = "poc.benchmarks.one_materialization"
_OWN_VARIABLES = ("CASSANDRA_HOSTS", "CASSANDRA_PORT", "FEAST_FS_YAML_FILE_PATH", "FEAST_REPO_PATH")
_FLUSH_MILLISECONDS = 1000
_FLUSH_SECONDS = 120.0
# Cassandra's own trees of what it wrote and will merge are not read from, and go.
_PASSING = ("_txn_", "tmp-")


def measure_storage(
    settings: Settings, rows: int, port: int, announce: Callable[[str], object] = lambda what: None
) -> dict[str, Any]:
    """Materialize `rows` entities in both layouts, have them written to disk, and measure the files.

    Args:
        settings: whose features.
        rows: entities; a hundred thousand or more, so that a file's fixed parts do not count.
        port: a free one, for the Cassandra that is started in a temporary folder and stopped again.
        announce: told before each step.

    Raises:
        BenchmarkFailed: a materialization did not end well, or Cassandra wrote nothing to disk.
    """
    definitions = read_definitions(settings)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / definitions.source_path
        write_records(definitions, rows, source, now)
        announce("Starting a Cassandra")
        running = start_embedded(folder / "cassandra", port)
        try:
            with cassandra_session(running.endpoint, request_timeout_seconds=60) as session:
                meta = measured_on(session)
                measured: dict[str, dict[str, int]] = {}
                for layout in LAYOUTS:
                    announce(f"{rows:,} entities, layout {layout}")
                    measured[layout] = _stored_bytes(
                        settings, definitions, running.endpoint, session, folder, layout, now
                    )
        finally:
            stop_embedded(folder / "cassandra")
        source_bytes = source.stat().st_size
    return {
        "meta": meta | {"features": len(definitions.names), "parquet_bytes": source_bytes},
        "results": [
            {
                "layout": layout,
                "rows": rows,
                "bytes": stored,
                "bytes_per_entity": round(sum(stored.values()) / rows, 1),
            }
            for layout, stored in measured.items()
        ],
    }


def _stored_bytes(
    settings: Settings,
    definitions: FeatureSet,
    endpoint: Endpoint,
    session: Session,
    folder: Path,
    layout: str,
    now: datetime,
) -> dict[str, int]:
    """Give the bytes of the table's files by their kind: `Data.db`, `Filter.db` and so on."""
    with own_keyspace(session) as keyspace:
        engine = {"type": ARROW_ENGINE}
        repo = make_repo(settings, folder / keyspace, endpoint, keyspace, LAYOUTS[layout], engine)
        environment = {key: value for key, value in os.environ.items() if key not in _OWN_VARIABLES}
        interval = (now - timedelta(days=30), now + timedelta(days=1))
        done = subprocess.run(
            [sys.executable, "-m", _CHILD, *(moment.isoformat() for moment in interval)],
            cwd=folder,
            env=environment | {"FEAST_REPO_PATH": str(repo)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchmarkFailed(f"Layout {layout}", done.stderr)
        table = session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
        ).one()[0]
        # A table that is flushed each second is on disk whole a second later, without nodetool.
        flush = f"memtable_flush_period_in_ms = {_FLUSH_MILLISECONDS}"
        session.execute(f'ALTER TABLE {keyspace}."{table}" WITH {flush}', timeout=60)
        return _settled_sizes(folder / "cassandra", keyspace, layout)


def _settled_sizes(cassandra: Path, keyspace: str, layout: str) -> dict[str, int]:
    """Wait until the files have been the same for some flushes, merges included, and give their sizes."""
    deadline, same = time.monotonic() + _FLUSH_SECONDS, 0
    last: dict[str, int] = {}
    while time.monotonic() < deadline:
        time.sleep(_FLUSH_MILLISECONDS / 1000)
        found = _sizes(cassandra, keyspace)
        same = same + 1 if found and found == last else 0
        last = found
        if same >= 5:
            return found
    raise BenchmarkFailed(f"Layout {layout}", "Cassandra did not write the table to disk")


def _sizes(cassandra: Path, keyspace: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for path in cassandra.glob(f"*/node1/data/{keyspace}/*/*.db"):
        if not any(part in path.name for part in _PASSING):
            kind = path.name.rsplit("-", 1)[-1]
            sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
    return sizes if sizes.get("Data.db") else {}
