"""Reads by a plan against Feast's own call, on generated views, services and values, in both layouts."""

import asyncio
import math
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import (
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from stored_features import serving_settings

from poc.database.endpoint import Endpoint
from poc.database.sessions import cassandra_session
from poc.feature_store import open_feature_store
from poc.online_store.acsylla_writer import acsylla_is_installed
from poc.retrieval.feast_source import FeastFeatureSource, open_online_store
from poc.retrieval.source import TransactionFeatures
from poc.retrieval.values import proto_field

KEY = "payment_id"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
TTL = timedelta(days=1)
AGES = (timedelta(hours=1), TTL - timedelta(hours=1), TTL + timedelta(hours=1), timedelta(days=400))
SCALARS: Mapping[FeastType, st.SearchStrategy] = {
    Int32: st.integers(-(2**31), 2**31 - 1),
    Int64: st.integers(-(2**63), 2**63 - 1),
    Float32: st.floats(width=32),
    Float64: st.floats(),
    String: st.text(max_size=20),
    Bytes: st.binary(max_size=20),
    Bool: st.booleans(),
    UnixTimestamp: st.integers(-2_000_000_000, 7_000_000_000),
}
TYPES = SCALARS | {Array(dtype): st.lists(values, max_size=3) for dtype, values in SCALARS.items()}
LEFT_OUT = "left out"


@dataclass(frozen=True)
class Example:
    """A view, a service over some of its features, what is stored, and which ids are asked for.

    A stored value is what it is, None for a null, or `LEFT_OUT` for one that is not written at all.
    """

    types: tuple[FeastType, ...]
    served: tuple[int, ...]
    ttl: timedelta
    stored: Mapping[str, tuple[tuple[object, ...], timedelta]]
    asked: tuple[str, ...]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    types = tuple(draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=6)))
    served = draw(st.sets(st.sampled_from(range(len(types))), min_size=1))
    ids = draw(st.lists(st.text(max_size=8), min_size=3, max_size=6, unique=True))
    row = st.tuples(*(st.one_of(st.none(), st.just(LEFT_OUT), TYPES[dtype], TYPES[dtype]) for dtype in types))
    known = draw(st.lists(st.sampled_from(ids), unique=True))
    stored = {item: (draw(row), draw(st.sampled_from(AGES))) for item in known}
    asked = tuple(draw(st.lists(st.sampled_from(ids), min_size=1, max_size=5)))
    return Example(types, tuple(sorted(served)), draw(st.sampled_from((TTL, timedelta(0)))), stored, asked)


class Comparison:
    """Applies, writes and reads examples, each as a view of its own."""

    def __init__(self, layout: str, cassandra: Endpoint, keyspace: str, folder: Path) -> None:
        self.settings = serving_settings(folder, cassandra, keyspace)
        if layout == "rows":
            rows = self.settings.feast_repo_path / "rows.yaml"
            self.settings = self.settings.model_copy(update={"feast_fs_yaml_file_path": rows})
        self.store: FeatureStore = open_feature_store(self.settings)
        self.folder = folder
        self.numbers = count()
        self.sources: list[FeastFeatureSource] = []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def prepare(self, example: Example) -> str:
        """Apply and write, and give the service's name."""
        name = f"example_{next(self.numbers)}"
        entity = Entity(name="payment", join_keys=[KEY], value_type=ValueType.STRING)
        schema = [Field(name=feature(place), dtype=dtype) for place, dtype in enumerate(example.types)]
        view = FeatureView(
            name=name,
            entities=[entity],
            ttl=example.ttl,
            schema=[Field(name=KEY, dtype=String), *schema],
            source=FileSource(path=str(self.folder / "none.parquet"), timestamp_field="timestamp"),
        )
        chosen = view[[feature(place) for place in example.served]]
        self.store.apply([entity, view, FeatureService(name=name, features=[chosen])])
        data = [
            (
                EntityKey(join_keys=[KEY], entity_values=[Value(string_val=item)]),
                {
                    feature(place): proto(example.types[place], value)
                    for place, value in enumerate(values)
                    if value is not LEFT_OUT
                },
                NOW - age,
                None,
            )
            for item, (values, age) in example.stored.items()
        ]
        provider = self.store._get_provider()
        provider.online_write_batch(self.store.config, self.store.get_feature_view(name), data, None)
        return name

    def by_plan(self, service: str) -> FeastFeatureSource:
        source = FeastFeatureSource(
            self.store,
            service,
            open_online_store(self.store, self.settings),
            driver="auto",
            timeout_seconds=10.0,
            refresh_seconds=3600,
            clock=lambda: NOW,
        )
        self.sources.append(source)
        # Whether anything is stored at all is another test's business.
        source._filled = True
        return source

    def on_loop(self, source: FeastFeatureSource, asked: tuple[str, ...]) -> list[TransactionFeatures | None]:
        source.use_loop(self.loop)
        assert source.async_read is not None
        return asyncio.run_coroutine_threadsafe(source.async_read(asked), self.loop).result(30)

    def by_feast(self, service: str, asked: tuple[str, ...]) -> list[dict[str, tuple] | None]:
        """Give value and event time by feature, as Feast's own call has them; None for an absent entity."""
        answer = self.store.get_online_features(
            features=self.store.get_feature_service(service), entity_rows=[{KEY: item} for item in asked]
        )
        values = answer.to_dict()
        found: list[dict[str, tuple] | None] = []
        results = dict(zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True))
        results.pop(KEY)
        for place in range(len(asked)):
            statuses = {result.statuses[place] for result in results.values()}
            found.append(
                None
                if statuses == {FieldStatus.NOT_FOUND}
                else {
                    name: (comparable(values[name][place]), result.event_timestamps[place].seconds)
                    for name, result in results.items()
                }
            )
        return found

    def close(self) -> None:
        for source in self.sources:
            source.close()
        session = self.store._get_provider().online_store._session
        if session is not None:
            session.cluster.shutdown()


@pytest.fixture(scope="module", params=["stock", "rows"])
def comparison(
    request: pytest.FixtureRequest, cassandra: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Comparison]:
    keyspace = f"test_{uuid.uuid4().hex[:12]}"
    with cassandra_session(cassandra) as session:
        session.execute(
            f"CREATE KEYSPACE {keyspace}"
            " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        made = Comparison(request.param, cassandra, keyspace, tmp_path_factory.mktemp("reads"))
        yield made
        made.close()
        session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def feature(place: int) -> str:
    return f"f{place}"


def proto(dtype: FeastType, value: object) -> Value:
    made, field = Value(), proto_field(dtype)
    if isinstance(value, list):
        getattr(made, field).SetInParent()
        getattr(made, field).val.extend(value)
    elif value is not None:
        setattr(made, field, value)
    return made


def comparable(value: object) -> object:
    """Make a NaN equal to itself; a scalar one is not a number to us, so it is None."""
    if isinstance(value, list):
        return ["NaN" if isinstance(item, float) and math.isnan(item) else item for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def seen(item: TransactionFeatures | None) -> dict[str, tuple] | None:
    if item is None:
        return None
    seconds = int(item.event_timestamp.timestamp())
    return {name: (comparable(value), seconds) for name, value in item.values.items()}


# Shrinking would make a table for each attempt, for minutes; the printed example is small as it is.
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(example=examples())
def test_plan_reads_what_feast_reads(comparison: Comparison, example: Example) -> None:
    service = comparison.prepare(example)
    source = comparison.by_plan(service)
    expected = comparison.by_feast(service, example.asked)
    found = source.read(example.asked)
    assert [seen(item) for item in found] == expected
    assert [None if item is None else tuple(item.values) for item in found] == [
        None if item is None else tuple(feature(place) for place in example.served) for item in found
    ]
    # Feast 0.38 does not apply the ttl online: what is stale is told by the event time alone.
    assert [item.stale for item in found if item is not None] == [
        example.ttl > timedelta(0) and example.stored[asked][1] > example.ttl
        for asked, item in zip(example.asked, found, strict=True)
        if item is not None
    ]
    if acsylla_is_installed():
        assert [seen(item) for item in comparison.on_loop(source, example.asked)] == expected
