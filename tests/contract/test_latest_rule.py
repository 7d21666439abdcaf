"""Which row of an entity is the latest: each place that chooses one is held to one plain rule."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Int64, String
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poc.dataset.history import known_then, microseconds
from poc.dataset.stored import latest_rows
from poc.definitions import Feature, FeatureSet, JoinKey
from poc.materialization.offline import IntervalRows
from poc.online_store.bound_rows import bound_rows
from poc.online_store.layout import row_layout

START = datetime(2024, 5, 6, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
TIME = pa.timestamp("us", "UTC")
# An entity, its event time, its created time, and a value that tells the row.
Row: TypeAlias = tuple[str, datetime, datetime | None, int]
Choose: TypeAlias = Callable[[list[Row], FeatureSet], dict[str, int]]

moments = st.integers(0, 3).map(lambda hours: START + hours * HOUR)
row_lists = st.lists(
    st.tuples(st.sampled_from("abc"), moments, st.none() | moments), min_size=1, max_size=30
).map(lambda rows: [(*row, place) for place, row in enumerate(rows)])
asked_lists = st.lists(st.tuples(st.sampled_from("abcd"), moments, moments), min_size=1, max_size=20)


def latest(rows: list[Row]) -> dict[str, int]:
    """The rule: the event time, then the created time, a missing one before any other, then the position."""
    before_all = datetime.min.replace(tzinfo=timezone.utc)
    order = sorted(rows, key=lambda row: (row[1], row[2] or before_all, row[3]))
    return {entity: value for entity, _, _, value in order}


def by_materialization(rows: list[Row], definitions: FeatureSet) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in IntervalRows(definitions, START, START + 24 * HOUR).batches(4):
        found |= {row["id"]: row["a"] for row in batch.to_pylist()}
    return found


def by_verification(rows: list[Row], definitions: FeatureSet) -> dict[str, int]:
    return {str(key): row.values["a"] for (key,), row in latest_rows(definitions).items()}


def by_training(rows: list[Row], definitions: FeatureSet) -> dict[str, int]:
    entities = sorted({row[0] for row in rows})
    asked = microseconds(pa.chunked_array([pa.array([START + 24 * HOUR] * len(entities), TIME)]))
    known = known_then(definitions, ["a"], [pa.chunked_array([entities])], asked, asked)
    return dict(zip(entities, known.column("a").to_pylist(), strict=True))


def by_push(rows: list[Row], definitions: FeatureSet) -> dict[str, int]:
    entity = Entity(name="thing", join_keys=["id"], value_type=ValueType.STRING)
    schema = [Field(name="id", dtype=String), Field(name="a", dtype=Int64)]
    source = FileSource(path="nowhere.parquet", timestamp_field="at")
    layout = row_layout("ks", "poc", FeatureView(name="v", entities=[entity], schema=schema, source=source))
    pushed = [
        (
            EntityKey(join_keys=["id"], entity_values=[Value(string_val=id)]),
            {"a": Value(int64_val=value)},
            event,
            created,
        )
        for id, event, created, value in rows
    ]
    return {id: value for id, value, *_ in bound_rows(layout, layout.features, pushed, None, 0)}


def write(rows: list[Row], folder: Path, ttl: timedelta | None = None) -> FeatureSet:
    types = (pa.string(), TIME, TIME, pa.int64())
    columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns, ["id", "at", "created", "a"]), path)
    keys, features = (JoinKey("id", String),), (Feature("a", Int64, "", {}),)
    return FeatureSet("v", keys, features, ttl, path, "at", "created")


@pytest.mark.parametrize("choose", [by_materialization, by_verification, by_training, by_push])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=row_lists)
def test_latest_row_is_the_same_wherever_it_is_chosen(
    choose: Choose, rows: list[Row], tmp_path: Path
) -> None:
    assert choose(rows, write(rows, tmp_path)) == latest(rows)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=row_lists, asked=asked_lists, ttl=st.none() | st.integers(1, 3).map(lambda hours: hours * HOUR))
def test_training_joins_the_latest_of_the_rows_that_were_known_then(
    rows: list[Row], asked: list[tuple[str, datetime, datetime]], ttl: timedelta | None, tmp_path: Path
) -> None:
    definitions = write(rows, tmp_path, ttl)
    keys, at, until = zip(*asked, strict=True)
    times = [microseconds(pa.chunked_array([pa.array(column, TIME)])) for column in (at, until)]
    found = known_then(definitions, ["a"], [pa.chunked_array([list(keys)])], *times)
    expected = []
    for key, moment, written in asked:
        known = [row for row in rows if row[0] == key and row[1] <= moment and (row[2] or START) <= written]
        known = [row for row in known if ttl is None or row[1] >= moment - ttl]
        expected.append(latest(known).get(key))
    assert found.column("a").to_pylist() == expected
