"""The direct table of a view with every kind of column, in a real Cassandra."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bytes, Float32, Float64, Int64, UnixTimestamp

from poc.errors import DirectTableDiffers
from poc.materialization.direct import DirectTable
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session
from poc.online_store.view_reader import Found, RowReader

NOON = datetime(2026, 11, 1, 12, 0, 0, 123_456, tzinfo=timezone.utc)
DAY = timedelta(days=1)
FEATURES = {
    "amount": Float64,
    "share": Float32,
    "parts": Array(Float32),
    "raw": Bytes,
    "seen": UnixTimestamp,
}
VALUES = {"amount": 500.0, "share": 0.5, "parts": [1.5, 2.5], "raw": b"\x00\x01", "seen": NOON}

Fill = Callable[..., DirectTable]


@pytest.fixture
def fill(session: Session, keyspace: str, cassandra: ConnectionSettings, tmp_path: Path) -> Fill:
    """Apply a view of cards to a sqlite store, and fill its direct table from the rows that are given."""

    def call(
        rows: list[dict[str, Any]],
        features: dict[str, Any] = FEATURES,
        *,
        written_us: int = 1,
        project: str = "ml_platform_poc",
    ) -> DirectTable:
        store = applied(tmp_path, cassandra, keyspace, features, project)
        names = ["card_id", *features, "timestamp"]
        columns = {name: [row.get(name) for row in rows] for name in names}
        pq.write_table(pa.table(columns), tmp_path / "cards.parquet")
        table = DirectTable(store, keyspace, "cards")
        table.fill(session, NOON - 10 * DAY, NOON + 10 * DAY, written_us)
        return table

    return call


def applied(
    folder: Path, cassandra: ConnectionSettings, keyspace: str, features: dict[str, Any], project: str
) -> FeatureStore:
    config = {
        "project": project,
        "registry": str(folder / f"{project}.db"),
        "provider": "local",
        "online_store": {
            "type": "poc.online_store.row_store.CassandraRowOnlineStore",
            "hosts": list(cassandra.hosts),
            "port": cassandra.port,
            "keyspace": keyspace,
        },
        "entity_key_serialization_version": 2,
    }
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(config))
    store = FeatureStore(str(folder))
    card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.INT64)
    fields = [Field(name=name, dtype=dtype) for name, dtype in {"card_id": Int64, **features}.items()]
    source = FileSource(path=str(folder / "cards.parquet"), timestamp_field="timestamp")
    view = FeatureView(name="cards", entities=[card], schema=fields, source=source)
    store.registry.apply_entity(card, project)
    store.registry.apply_feature_view(view, project)
    return store


def row(at: datetime = NOON, card: int = 2**40, **values: Any) -> dict[str, Any]:
    return {"card_id": card, **VALUES, "timestamp": at, **values}


def read(session: Session, table: DirectTable, connection: ConnectionSettings, card: int = 2**40) -> Found:
    return RowReader(session, table.layout, None, connection, 1).read([(card,)])[(card,)]


def test_row_comes_back_with_its_types(session: Session, fill: Fill, cassandra: ConnectionSettings) -> None:
    found = read(session, fill([row()]), cassandra)
    whole_second, millisecond = (NOON.replace(microsecond=kept, tzinfo=None) for kept in (0, 123_000))
    assert found == (500.0, 0.5, [1.5, 2.5], b"\x00\x01", whole_second, millisecond)


def test_of_an_entity_the_latest_row_is_written(
    session: Session, fill: Fill, cassandra: ConnectionSettings
) -> None:
    rows = [row(amount=1.0, at=NOON - DAY), row(), row(amount=2.0, at=NOON - 2 * DAY)]
    assert read(session, fill(rows), cassandra)[0] == 500.0


@pytest.mark.parametrize("at", [NOON - DAY, NOON, NOON + DAY], ids=["older", "corrected", "newer"])
def test_a_later_run_replaces_a_row_whatever_its_event_time(
    session: Session, fill: Fill, cassandra: ConnectionSettings, at: datetime
) -> None:
    fill([row()])
    assert read(session, fill([row(amount=1.0, at=at)], written_us=2), cassandra)[0] == 1.0


def test_backfill_leaves_an_entity_whose_latest_row_lies_after_it(
    session: Session, fill: Fill, cassandra: ConnectionSettings
) -> None:
    table = fill([row(amount=1.0, at=NOON - DAY), row(), row(card=1, at=NOON - DAY)])
    assert table.fill(session, NOON - 2 * DAY, NOON, 2, latest_until=NOON + DAY) == 1
    assert read(session, table, cassandra)[0] == 500.0


def test_rows_of_earlier_runs_can_be_removed(
    session: Session, fill: Fill, cassandra: ConnectionSettings
) -> None:
    fill([row(card=1), row(card=2)])
    table = fill([row(card=2), row(card=3)], written_us=2)
    assert table.remove_older(session, 2) == 1
    found = RowReader(session, table.layout, None, cassandra, 1).read([(1,), (2,), (3,)])
    assert set(found) == {(2,), (3,)}


def test_new_feature_becomes_a_column_and_keeps_the_rows(
    session: Session, fill: Fill, cassandra: ConnectionSettings
) -> None:
    fill([row(card=1)], {"amount": Float64})
    table = fill([row(card=2)])
    assert read(session, table, cassandra, card=1)[:3] == (500.0, None, None)


def test_changed_type_is_refused_with_a_way_out_that_works(
    session: Session, fill: Fill, cassandra: ConnectionSettings
) -> None:
    fill([row()], {"amount": Float64})
    with pytest.raises(DirectTableDiffers, match=r"'amount' is double.* declared as bigint") as refused:
        fill([row(amount=7)], {"amount": Int64})
    assert "--replace" in refused.value.way_out
    fill([row()], {"amount": Float64}).drop(session)
    assert read(session, fill([row(amount=7)], {"amount": Int64}), cassandra)[0] == 7


def test_guide_s_project_keeps_the_view_s_name_and_another_has_a_table_of_its_own(
    session: Session, fill: Fill, cassandra: ConnectionSettings
) -> None:
    table, other = fill([row()]), fill([row(amount=1.0)], project="other")
    assert (table.layout.table, other.layout.table) == ("cards", "other__cards__direct")
    assert read(session, table, cassandra)[0] == 500.0
