"""How many bytes an entity takes on disk, in either layout, on a Cassandra started for it.

Only a node of one's own tells the size of its files; the virtual tables round to mebibytes.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from poc.errors import BenchmarkFailed
from poc.feature_store import open_feature_store
from poc.local_cassandra.embedded import start_embedded, stop_embedded
from poc.measurement.core import measured_on
from poc.measurement.one_materialization import materialize, own_repo, write_sources
from poc.measurement.place import ARROW_ENGINE, ROW_STORE, Place
from poc.online_store.session import SCHEMA, cassandra_session
from poc.repository import declared_service
from poc.settings import Settings

LAYOUTS = {"rows": ROW_STORE, "stock": "cassandra"}
_FLUSH_MILLISECONDS = 1000
_FLUSH_SECONDS = 120.0
# Cassandra's own trees of what it wrote and will merge are not read from, and go.
_PASSING = ("_txn_", "tmp-")


def measure_storage(
    settings: Settings, rows: int, port: int, announce: Callable[[str], object] = lambda what: None
) -> dict[str, Any]:
    """Materialize `rows` entities in both layouts, have them written to disk, and measure the files.

    `rows` are a hundred thousand or more, so that a file's fixed parts do not count; `port` is a free one,
    for the Cassandra that is started in a temporary folder and stopped again. Each step is announced.
    `BenchmarkFailed`: a materialization did not end well, or Cassandra wrote nothing to disk.
    """
    served = declared_service(settings)
    with TemporaryDirectory() as name:
        folder = Path(name)
        sources = write_sources(served, rows, folder)
        announce("Starting a Cassandra")
        running = start_embedded(folder / "cassandra", port)
        try:
            with cassandra_session(running.endpoint) as session:
                place = Place(settings, open_feature_store(settings), running.endpoint, session)
                meta = measured_on(session)
                results = []
                for layout in LAYOUTS:
                    announce(f"{rows:,} entities, layout {layout}")
                    stored = _stored_bytes(place, folder, layout)
                    result = {"layout": layout, "rows": rows, "bytes": stored}
                    results.append(result | {"bytes_per_entity": round(sum(stored.values()) / rows, 1)})
        finally:
            stop_embedded(folder / "cassandra")
        source_bytes = sum(source.stat().st_size for source in sources)
    return {"meta": meta | {"features": len(served.names), "parquet_bytes": source_bytes}, "results": results}


def _stored_bytes(place: Place, folder: Path, layout: str) -> dict[str, int]:
    """Return the bytes of the tables' files by their kind: `Data.db`, `Filter.db` and so on."""
    with own_repo(place, folder, LAYOUTS[layout], {"type": ARROW_ENGINE}) as repo:
        materialize(f"Layout {layout}", repo, folder)
        keyspace, session = repo.name, place.session
        tables = session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
        )
        # A table that is flushed each second is on disk whole a second later, without nodetool.
        flush = f"memtable_flush_period_in_ms = {_FLUSH_MILLISECONDS}"
        for (table,) in tables:
            session.execute(f'ALTER TABLE {keyspace}."{table}" WITH {flush}', execution_profile=SCHEMA)
        return _settled_sizes(folder / "cassandra", keyspace, layout)


def _settled_sizes(cassandra: Path, keyspace: str, layout: str) -> dict[str, int]:
    """Wait until the files have been the same for some flushes, merges included; return their sizes."""
    deadline, same = time.monotonic() + _FLUSH_SECONDS, 0
    last: dict[str, int] = {}
    while time.monotonic() < deadline:
        time.sleep(_FLUSH_MILLISECONDS / 1000)
        found = _sizes(cassandra, keyspace)
        same, last = same + 1 if found and found == last else 0, found
        if same >= 5:
            return found
    raise BenchmarkFailed(f"Layout {layout}", "Cassandra did not write the table to disk")


def _sizes(cassandra: Path, keyspace: str) -> dict[str, int]:
    sizes = Counter[str]()
    for path in cassandra.glob(f"*/node1/data/{keyspace}/*/*.db"):
        if not any(part in path.name for part in _PASSING):
            sizes[path.name.rsplit("-", 1)[-1]] += path.stat().st_size
    return dict(sizes) if sizes.get("Data.db") else {}
