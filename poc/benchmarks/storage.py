"""How many bytes an entity takes on disk, in either layout, on a Cassandra started for it.

Only a node of one's own tells the size of its files; the virtual tables round to mebibytes.
"""

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from poc.benchmarks.child import materialize
from poc.benchmarks.keyspace import own_keyspace
from poc.benchmarks.records import make_repo, online_block, write_sources
from poc.benchmarks.setting import measured_on
from poc.comparison.stores import Place
from poc.comparison.variants import ARROW_ENGINE, ROW_STORE
from poc.database.embedded import start_embedded, stop_embedded
from poc.errors import BenchmarkFailed
from poc.feature_store import declared_service, open_feature_store
from poc.online_store.session import SCHEMA, cassandra_session
from poc.settings import Settings

DEFAULT_ROWS = 200_000
LAYOUTS = {"rows": ROW_STORE, "stock": "cassandra"}
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
    served = declared_service(settings)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    with TemporaryDirectory() as name:
        folder = Path(name)
        sources = write_sources(served, rows, folder, now)
        announce("Starting a Cassandra")
        running = start_embedded(folder / "cassandra", port)
        try:
            with cassandra_session(running.endpoint) as session:
                place = Place(settings, open_feature_store(settings), running.endpoint, session)
                meta = measured_on(session)
                measured: dict[str, dict[str, int]] = {}
                for layout in LAYOUTS:
                    announce(f"{rows:,} entities, layout {layout}")
                    measured[layout] = _stored_bytes(place, folder, layout, now)
        finally:
            stop_embedded(folder / "cassandra")
        source_bytes = sum(source.stat().st_size for source in sources)
    return {
        "meta": meta | {"features": len(served.names), "parquet_bytes": source_bytes},
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


def _stored_bytes(place: Place, folder: Path, layout: str, now: datetime) -> dict[str, int]:
    """Give the bytes of the tables' files by their kind: `Data.db`, `Filter.db` and so on."""
    session = place.session
    with own_keyspace(session, place.connection) as keyspace:
        online_store = online_block(place.connection, LAYOUTS[layout], keyspace)
        repo = make_repo(place.store, folder / keyspace, online_store, {"type": ARROW_ENGINE})
        materialize(f"Layout {layout}", repo, folder, now)
        tables = session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
        )
        # A table that is flushed each second is on disk whole a second later, without nodetool.
        flush = f"memtable_flush_period_in_ms = {_FLUSH_MILLISECONDS}"
        for (table,) in tables:
            session.execute(f'ALTER TABLE {keyspace}."{table}" WITH {flush}', execution_profile=SCHEMA)
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
