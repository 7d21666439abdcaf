"""Nothing torn, nothing lost, nothing old over new: in both layouts, with both drivers."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from cassandra.cluster import Session
from feast import FeatureStore
from feast.types import Int64, String
from tcp_proxy import TcpProxy

from poc.online_store import arrow_engine
from poc.online_store.errors import NotAcknowledged, NotApplied, WrittenByAnotherEngine

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
YEAR = (datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2025, 1, 1, tzinfo=timezone.utc))
FEATURES = [f"f{number}" for number in range(8)]
# CRASH_ROUNDS=20 is what the project claims; a few show that the test itself works.
CRASH_ROUNDS = int(os.environ.get("CRASH_ROUNDS", "1"))
CASES = [(layout, driver) for layout in ("rows", "stock") for driver in ("acsylla", "cassandra-driver")]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def version_table(ids: int, version: int, event: datetime) -> pa.Table:
    """Make a source in which every feature of every entity is `version`."""
    columns = {name: np.full(ids, version, np.int64) for name in FEATURES}
    return pa.table(
        {"id": [f"id{number}" for number in range(ids)], **columns, "event_timestamp": [event] * ids}
    )


def open_applied(stores: Any, layout: str, driver: str, **online: Any) -> FeatureStore:
    if driver == "acsylla":
        pytest.importorskip("acsylla")
    store = stores.open(layout, engine={"driver": driver, "batch_rows": 500}, **online)
    stores.view(store, dict.fromkeys(FEATURES, Int64), {"id": String})
    return store


def versions(session: Session, keyspace: str, layout: str) -> dict[str, set[Any]]:
    """Read every entity's values: a set of one is a whole entity."""
    found: dict[str, set[Any]] = {}
    if layout == "rows":
        rows = session.execute(f'SELECT id, {", ".join(FEATURES)} FROM {keyspace}."poc__stats"')
        return {row[0]: set(row[1:]) for row in rows}
    counts: dict[str, int] = {}
    for key, value in session.execute(f'SELECT entity_key, value FROM {keyspace}."poc_stats"'):
        found.setdefault(key, set()).add(value)
        counts[key] = counts.get(key, 0) + 1
    # A missing cell is as torn as an old one.
    return {key: values if counts[key] == len(FEATURES) else {*values, None} for key, values in found.items()}


@contextmanager
def materializing(store: FeatureStore, project: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Materialize in a process of its own, that can be killed; ready to write when the block begins."""
    settings = Path(store.config.registry.path).with_suffix(".yaml")
    content = {
        "project": project,
        "provider": "local",
        "registry": store.config.registry.path,
        "entity_key_serialization_version": 2,
        "online_store": store.config.online_config,
        "batch_engine": store.config.batch_engine_config,
    }
    settings.write_text(yaml.safe_dump(content))
    code = (
        "import sys; from datetime import datetime, timedelta; from pathlib import Path\n"
        "from feast import FeatureStore\n"
        "import poc.online_store.sinks\n"
        "store = FeatureStore(fs_yaml_file=Path(sys.argv[1]))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "store.materialize(datetime(2024, 1, 1), datetime(2025, 1, 1))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Every batch that was acknowledged is reported at once: the kill is timed by it.
        env={**os.environ, "TQDM_MININTERVAL": "0"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("layout", "driver"), CASES)
@pytest.mark.fault("Processes", "kill -9 in mid materialization", "no entity is torn, the next run completes")
def test_kill_in_mid_materialization_tears_no_entity_and_the_next_run_completes(
    stores: Any, session: Session, layout: str, driver: str
) -> None:
    ids = 12_000
    store = open_applied(stores, layout, driver)
    stores.write_source(version_table(ids, 0, NOON - DAY))
    store.materialize(*YEAR)
    partly, round = 0, 0
    # A kill that came after the last write proves nothing: go on until one came in the middle.
    while round < CRASH_ROUNDS or (partly == 0 and round < CRASH_ROUNDS + 10):
        round += 1
        stores.write_source(version_table(ids, round, NOON + round * timedelta(hours=1)))
        with materializing(store, "poc") as process:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            wait_for_first_acknowledged_batch(process)
            time.sleep(random.uniform(0, 0.3 if partly else 0.03))
            process.send_signal(signal.SIGKILL)
            process.wait()
        found = versions(session, stores.keyspace, layout)
        assert [key for key, values in found.items() if len(values) != 1] == []
        partly += len({value for values in found.values() for value in values}) > 1
        assert store.get_feature_view("stats").most_recent_end_time == datetime(
            2025, 1, 1, tzinfo=timezone.utc
        )
        store.materialize(*YEAR)
        assert len(set(map(frozenset, versions(session, stores.keyspace, layout).values()))) == 1
    assert partly > 0


def wait_for_first_acknowledged_batch(process: "subprocess.Popen[bytes]") -> None:
    """Read the process's own progress bar until it counts rows: `500/12000`."""
    assert process.stderr is not None
    seen = b""
    while re.search(rb"[1-9]\d*/\d+ \[", seen) is None:
        read = os.read(process.stderr.fileno(), 4096)
        assert read != b"", f"ended before a batch was acknowledged: {seen.decode()}"
        seen += read


@pytest.mark.parametrize(("layout", "driver"), CASES)
def test_older_backfill_does_not_overwrite_newer_values(
    stores: Any, session: Session, layout: str, driver: str
) -> None:
    store = open_applied(stores, layout, driver)
    stores.write_source(version_table(50, 2, NOON))
    store.materialize(NOON - DAY, NOON + DAY)
    before = versions(session, stores.keyspace, layout)
    stores.write_source(version_table(60, 1, NOON - 7 * DAY))
    store.materialize(NOON - 9 * DAY, NOON - DAY)
    after = versions(session, stores.keyspace, layout)
    assert len(after) == 60
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize(("layout", "driver"), CASES)
@pytest.mark.fault("Processes", "two engines write at once", "nothing is lost")
def test_two_materializations_at_once_lose_nothing(
    stores: Any, session: Session, layout: str, driver: str
) -> None:
    old, new = version_table(1500, 1, NOON - 7 * DAY), version_table(1000, 2, NOON)
    stores.write_source(pa.concat_tables([old, new]))
    first, second = open_applied(stores, layout, driver), open_applied(stores, layout, driver)
    failures: list[BaseException] = []

    def run(store: FeatureStore, start: datetime, end: datetime) -> None:
        try:
            store.materialize(start, end)
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(first, NOON - 9 * DAY, NOON - DAY)),
        threading.Thread(target=run, args=(second, NOON - DAY, NOON + DAY)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = versions(session, stores.keyspace, layout)
    assert len(found) == 1500
    assert all(len(values) == 1 for values in found.values())
    counts = [list(found.values()).count(values) for values in map(set, set(map(frozenset, found.values())))]
    assert sorted(counts) == [500, 1000]


@pytest.mark.parametrize(("layout", "driver"), CASES)
def test_interval_is_recorded_only_when_every_row_was_acknowledged(
    stores: Any, cassandra: Any, session: Session, layout: str, driver: str
) -> None:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    store = open_applied(stores, layout, driver, port=proxy.port, request_timeout=2.0)
    stores.write_source(version_table(20_000, 1, NOON))
    settings = store._get_provider().batch_engine.config
    settings.batch_rows, settings.max_attempts = 2000, 2
    open_sink = arrow_engine.open_sink

    class CutAfterOne:
        """The real sink, whose connections die after its first batch."""

        def __init__(self, *given: Any) -> None:
            self.sink, self.batches = open_sink(*given), 0

        def write(self, batch: pa.RecordBatch) -> None:
            if self.batches == 1:
                proxy.cut()
            self.batches += 1
            self.sink.write(batch)

        def close(self) -> None:
            self.sink.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arrow_engine, "open_sink", CutAfterOne)
        with pytest.raises(NotAcknowledged, match="of 2000 rows were not acknowledged"):
            store.materialize(NOON - DAY, NOON + DAY)
    assert store.get_feature_view("stats").materialization_intervals == []
    found = versions(session, stores.keyspace, layout)
    assert 2000 <= len(found) < 20_000
    assert all(len(values) == 1 for values in found.values())


@pytest.mark.parametrize(("layout", "driver"), CASES)
def test_view_whose_table_is_missing_is_named_with_the_way_out(
    stores: Any, session: Session, layout: str, driver: str
) -> None:
    store = open_applied(stores, layout, driver)
    stores.write_source(version_table(1, 1, NOON))
    session.execute(f'DROP TABLE {stores.keyspace}."poc_{"_" if layout == "rows" else ""}stats"', timeout=60)
    with pytest.raises(NotApplied, match=r"feast_setup\.py"):
        store.materialize(NOON - DAY, NOON + DAY)
    stores.view(store, dict.fromkeys(FEATURES, Int64), {"id": String})
    store.materialize(NOON - DAY, NOON + DAY)
    assert len(versions(session, stores.keyspace, layout)) == 1


@pytest.mark.parametrize("driver", ["acsylla", "cassandra-driver"])
def test_stock_table_that_feasts_engine_filled_is_refused_rather_than_written_in_vain(
    stores: Any, session: Session, driver: str
) -> None:
    stores.write_source(version_table(5, 1, NOON))
    own = stores.open("stock")
    stores.view(own, dict.fromkeys(FEATURES, Int64), {"id": String})
    own.materialize(NOON - DAY, NOON + DAY)
    store = open_applied(stores, "stock", driver)
    newer = version_table(5, 2, NOON + timedelta(hours=1))
    stores.write_source(newer)
    with pytest.raises(WrittenByAnotherEngine, match="--full --view stats --replace"):
        store.materialize(NOON - DAY, NOON + DAY)
    with pytest.raises(WrittenByAnotherEngine, match="--full --view stats --replace"):
        store.write_to_online_store("stats", newer.to_pandas())
    before = versions(session, stores.keyspace, "stock")
    at_now = stores.open("stock", engine={"driver": driver, "write_time": "now"})
    stores.view(at_now, dict.fromkeys(FEATURES, Int64), {"id": String})
    at_now.materialize(NOON - DAY, NOON + DAY)
    after = versions(session, stores.keyspace, "stock")
    assert set(after) == set(before)
    assert all(after[key] != before[key] for key in before)
