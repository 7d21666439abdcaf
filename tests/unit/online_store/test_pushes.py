"""What a push writes through the resolving provider, on SQLite."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64, String

from poc.online_store.errors import MissingColumns, NullJoinKey, ValueOutOfRange, WrongValueType

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(
        config=RepoConfig(
            project="poc",
            provider="poc.online_store.provider.ResolvingProvider",
            registry={"path": str(tmp_path / "registry.db"), "cache_ttl_seconds": 0},
            online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
            offline_store={"type": "file"},
            entity_key_serialization_version=2,
        )
    )
    source = FileSource(
        path="/nowhere.parquet", timestamp_field="at", field_mapping={"number": "count"}, name="source"
    )
    schema = [
        Field(name="id", dtype=String),
        Field(name="count", dtype=Int64),
        Field(name="zip", dtype=String),
    ]
    entity = Entity(name="card", join_keys=["id"], value_type=ValueType.STRING)
    store.apply(
        [entity, FeatureView(name="v", entities=[entity], ttl=timedelta(0), schema=schema, source=source)]
    )
    return store


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b"], "number": [1, 2], "zip": ["x", "y"], "at": [NOON, NOON]} | columns)


def pushed(store: FeatureStore, rows: pd.DataFrame) -> dict[str, list[Any]]:
    store.write_to_online_store("v", rows)
    answer = store.get_online_features(["v:count", "v:zip"], [{"id": "a"}, {"id": "b"}]).to_dict()
    return {name: answer[name] for name in ("count", "zip")}


def test_every_chunk_of_a_frame_is_written(store: FeatureStore) -> None:
    one, other = frame()[:1], frame()[1:]
    chunks = pd.concat([part.convert_dtypes(dtype_backend="pyarrow") for part in (one, other)])
    assert pushed(store, chunks) == {"count": [1, 2], "zip": ["x", "y"]}


def test_null_beside_an_integer_changes_nothing_of_it(store: FeatureStore) -> None:
    numbers, zips = pd.array([2**53 + 1, None], "Int64"), pd.array([90210, None], "Int64")
    assert pushed(store, frame(number=numbers, zip=zips)) == {
        "count": [2**53 + 1, None],
        "zip": ["90210", None],
    }


def test_empty_frame_writes_nothing(store: FeatureStore) -> None:
    assert pushed(store, frame()[:0]) == {"count": [None, None], "zip": [None, None]}


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"number": [1, 2.5]}, WrongValueType),
        ({"id": ["a", None]}, NullJoinKey),
        ({"at": [NOON, pd.NaT]}, ValueOutOfRange),
        ({"at": ["2024-05-06T12:00:00Z", ""]}, ValueOutOfRange),
    ],
)
def test_frame_with_a_value_that_cannot_be_written_is_refused_whole(
    store: FeatureStore, columns: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.write_to_online_store("v", frame(**columns))
    assert pushed(store, frame()[:0])["count"] == [None, None]


def test_column_that_is_not_there_is_named(store: FeatureStore) -> None:
    with pytest.raises(MissingColumns, match=r"no column zip \(it has: id, count, at\)"):
        store.write_to_online_store("v", frame().drop(columns="zip"))
