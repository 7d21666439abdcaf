"""What any other online store is given: Feast's own rows, and the same ones beside a null."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.types import Array, FeastType, Float64, Int64, String, UnixTimestamp

# What Feast's own engine converts with, under this name, in every release since 0.20.
from feast.utils import _convert_arrow_to_proto

from poc.online_store.sinks import AnySink

ViewOf = Callable[..., FeatureView]

NOON = datetime(2024, 5, 6, 12, 0, 0, 123_456, timezone.utc)
KEYS: dict[str, FeastType] = {"id": String, "place": Int64}
FEATURES: dict[str, FeastType] = {
    "number": Float64,
    "zip": String,
    "epoch": UnixTimestamp,
    "at": UnixTimestamp,
    "list": Array(Int64),
}


def batch() -> pa.RecordBatch:
    columns = {
        "id": ["a", "b", "c"],
        "place": [1, -1, 2**31],
        "number": [1.5, 0.0, -2.0],
        "zip": [90210, 501, 0],
        "epoch": [1_714_996_800, 0, -1],
        "at": [NOON, NOON, NOON],
        "list": [[1, 2], [], [3]],
        "event_timestamp": [NOON + timedelta(hours=hour) for hour in range(3)],
        "created": [NOON] * 3,
    }
    return pa.record_batch(columns)


def written(view: FeatureView, rows: pa.RecordBatch) -> list[Any]:
    store = Mock(spec=OnlineStore)
    config = Mock(spec=RepoConfig)
    AnySink(config, store, view).write(rows)
    [call] = store.online_write_batch.call_args_list
    assert (call.args[0], call.args[1], *call.args[3:]) == (config, view, None)
    return list(call.args[2])


def test_rows_are_those_that_feasts_own_engine_gives_its_store(view_of: ViewOf) -> None:
    view = view_of(FEATURES, KEYS)
    view.batch_source.created_timestamp_column = "created"
    through_pandas = pa.Table.from_pandas(batch().to_pandas())
    keys = {field.name: field.dtype.to_value_type() for field in view.entity_columns}
    naive = [
        (key, values, at.replace(tzinfo=None), created.replace(tzinfo=None))
        for key, values, at, created in _convert_arrow_to_proto(through_pandas, view, keys)
    ]
    assert written(view, batch()) == naive


def test_null_beside_a_row_changes_nothing_of_it(view_of: ViewOf) -> None:
    view = view_of(FEATURES, KEYS)
    whole = batch()
    columns = {
        name: pa.array([*whole[name].to_pylist()[:2], None], whole[name].type)
        if name in FEATURES
        else whole[name]
        for name in whole.schema.names
    }
    rows = written(view, pa.record_batch(columns))
    assert rows[:2] == written(view, whole)[:2]
    missing = rows[2][1]
    assert [missing[name].WhichOneof("val") for name in ("number", "zip", "list")] == [None] * 3
