"""Views that Feast accepts and the guide does not have, from definitions to consistency."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from card_stores import write_configuration
from own_sessions import apply_definitions

from poc.dataset.stored import sample_keys
from poc.definitions import applied_service
from poc.errors import DirectTableDiffers, InvalidDefinitions, SourceMissing, UnsupportedType
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.plan import RunOptions
from poc.materialization.run import ViewReport, run_materialization
from poc.materialization.servable import require_servable
from poc.materialization.verification import check_entities
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session, cassandra_session
from poc.quality.consistency import check_consistency
from poc.quality.validation import prepare_validated
from poc.repository import declared_service
from poc.settings import Settings

NOW = datetime.now(timezone.utc)

OPENING = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RequestSource, ValueType
from feast.data_source import KafkaSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bytes, Float32, Float64, Int64, String, UnixTimestamp
card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.{key})
source = FileSource(path={path!r}, {source})
"""
VIEW = """
view = FeatureView(name={name!r}, entities=[card], schema=[{schema}], source=source, online={online})
fraud_detection_v1 = FeatureService(name="fraud_detection_v1", features=[view])
"""
EVERY_TYPE = """
    Field(name="amount", dtype=Float32), Field(name="parts", dtype=Array(Float32)),
    Field(name="raw", dtype=Bytes), Field(name="seen", dtype=UnixTimestamp),
    Field(name="many", dtype=Array(String)),
"""


class Repository:
    """A repository of one view over cards."""

    def __init__(self, folder: Path, cassandra: ConnectionSettings, keyspace: str) -> None:
        self.folder, self.cassandra, self.keyspace = folder / "repo", cassandra, keyspace
        self.folder.mkdir()
        self.path = folder / "cards.parquet"

    def write(
        self,
        layout: str = "rows",
        schema: str = EVERY_TYPE,
        *,
        key: str = "INT64",
        name: str = "cards",
        source: str = "timestamp_field='at', field_mapping={'amt': 'amount', 'card': 'card_id'}",
        online: bool = True,
        text: str | None = None,
    ) -> Settings:
        features = OPENING.format(key=key, path=str(self.path), source=source)
        features += VIEW.format(name=name, schema=schema, online=online) if text is None else text
        (self.folder / "features.py").write_text(features)
        registry = self.folder / "registry.db"
        write_configuration(self.folder, registry, layout, self.cassandra, self.keyspace)
        data = self.folder.parent
        return Settings(
            _env_file=None, feast_repo_path=self.folder, data_dir=data, direct_keyspace=self.keyspace
        )

    def write_rows(self, **columns: Any) -> None:
        moments = [NOW - timedelta(days=2, microseconds=1500), NOW - timedelta(days=1)] * 2
        values: dict[str, Any] = {
            "card": [2**40, 2**40, 7, 8],
            "amt": [0.1, 0.2, 0.3, 0.4],
            "parts": [[0.1], [0.1, 0.2], [], [3.0]],
            "raw": [b"a", b"\x00", b"b", b"c"],
            "seen": [moment - timedelta(microseconds=123_456) for moment in moments],
            "many": [["x"], ["y", "z"], ["x"], [""]],
            # Naive, and finer than Cassandra keeps.
            "at": pa.array([moment.replace(tzinfo=None) for moment in moments], pa.timestamp("ns")),
            "is_fraud": [0, 1, 0, 1],
        }
        pq.write_table(pa.table(values | columns), self.path)


@pytest.fixture
def repository(tmp_path: Path, cassandra: ConnectionSettings, keyspace: str) -> Repository:
    return Repository(tmp_path, cassandra, keyspace)


@pytest.fixture
def session(cassandra: ConnectionSettings) -> Iterator[Session]:
    with cassandra_session(cassandra) as opened:
        yield opened


def set_up(settings: Settings) -> None:
    store = open_feature_store(settings)
    served = declared_service(settings)
    require_servable(settings, store, served)
    prepare_validated(settings, served, NOW)
    apply_definitions(settings)


def materialize(settings: Settings, session: Session, **options: Any) -> tuple[ViewReport, ...]:
    store = open_feature_store(settings)
    try:
        return run_materialization(settings, store, session, RunOptions(**options), lambda view, window: None)
    finally:
        close_feature_store(store)


def require_right(settings: Settings, session: Session, entities: int) -> None:
    """Read through Feast and directly, and compare every value with the source."""
    store = open_feature_store(settings)
    served = applied_service(store, settings.feature_service)
    checks = list(check_entities(store, served, sample_keys(served, 50)))
    assert [check.differences for check in checks] == [()] * entities
    [view] = check_consistency(settings, store, session, lambda count: None)
    assert [(check.compared, check.differing) for check in view.stores] == [(entities, 0)] * 2
    assert not view.offline_changed
    close_feature_store(store)


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_int64_key_renamed_columns_lists_bytes_and_fractions_of_a_second_work_throughout(
    repository: Repository, session: Session, layout: str
) -> None:
    settings = repository.write(layout)
    repository.write_rows()
    set_up(settings)
    [report] = materialize(settings, session)
    assert report.entities == 3
    assert len(report.sampled) == 3
    require_right(settings, session, 3)
    [again] = materialize(settings, session)
    assert again.window.continues


# Feast cannot infer lists, nor which of two columns of times is the events'.
INFERRABLE = {"card_id": [1, 2, 3, 4], "seen": [1, 2, 3, 4], "parts": [0.5] * 4, "many": ["x"] * 4}
INFERRED = """
view = FeatureView(name="cards", entities=[card], source=source)
fraud_detection_v1 = FeatureService(name="fraud_detection_v1", features=[view{taken}])
"""


@pytest.mark.parametrize("relative", [False, True], ids=["whole path", "relative path"])
def test_schema_and_timestamp_field_left_to_inference_are_those_of_the_source(
    repository: Repository, session: Session, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    if relative:
        monkeypatch.chdir(repository.path.parent)
        repository.path = Path(repository.path.name)
    settings = repository.write(source="", text=INFERRED.format(taken='[["amt", "raw"]]'))
    repository.write_rows(**INFERRABLE)
    set_up(settings)
    [report] = materialize(settings, session)
    assert report.entities == 4
    require_right(settings, session, 4)


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_feature_that_is_null_everywhere_is_materialized(
    repository: Repository, session: Session, layout: str
) -> None:
    settings = repository.write(layout, 'Field(name="amount", dtype=Float64)')
    repository.write_rows(amt=pa.nulls(4, pa.float64()))
    pq.write_table(pq.read_table(repository.path).drop_columns("is_fraud"), repository.path)
    set_up(settings)
    materialize(settings, session)
    require_right(settings, session, 3)


def test_source_that_inference_cannot_read_is_told_as_the_definitions(repository: Repository) -> None:
    repository.path = repository.path.parent / "amt=1/cards.parquet"
    repository.path.parent.mkdir()
    settings = repository.write(source="", text=INFERRED.format(taken=""))
    repository.write_rows(**INFERRABLE)
    with pytest.raises(InvalidDefinitions, match="Field amt has incompatible types"):
        set_up(settings)


def test_label_that_inference_takes_for_a_feature_is_refused(repository: Repository) -> None:
    settings = repository.write(source="", text=INFERRED.format(taken=""))
    repository.write_rows(**INFERRABLE)
    with pytest.raises(InvalidDefinitions, match="is_fraud is what the model is to predict"):
        set_up(settings)


def test_corrected_values_of_each_kind_replace_what_is_served(
    repository: Repository, session: Session
) -> None:
    settings = repository.write()
    repository.write_rows()
    set_up(settings)
    materialize(settings, session)
    repository.write_rows(parts=[[9.0]] * 4, seen=[NOW - timedelta(days=9)] * 4)
    [report] = materialize(settings, session)
    assert "changed" in report.window.why
    require_right(settings, session, 3)


def test_retyped_feature_is_refused_before_the_online_store_is_filled_and_remaking_helps(
    repository: Repository, session: Session
) -> None:
    settings = repository.write("stock", 'Field(name="amount", dtype=Float64)')
    repository.write_rows()
    set_up(settings)
    materialize(settings, session)
    settings = repository.write("stock", 'Field(name="amount", dtype=Float32)')
    set_up(settings)
    with pytest.raises(DirectTableDiffers, match="cards_project__cards"):
        materialize(settings, session)
    [report] = materialize(settings, session, full=True, replace=True)
    assert report.entities == 3
    require_right(settings, session, 3)


def stream_view() -> str:
    return """
stream = PushSource(name="pushed", batch_source=source)
view = FeatureView(name="cards", entities=[card], source=stream,
    schema=[Field(name="card_id", dtype=Int64), Field(name="amount", dtype=Float32)])
fraud_detection_v1 = FeatureService(name="fraud_detection_v1", features=[view])
"""


def test_view_with_a_push_source_works_throughout(repository: Repository, session: Session) -> None:
    settings = repository.write(text=stream_view())
    repository.write_rows()
    set_up(settings)
    materialize(settings, session)
    require_right(settings, session, 3)


ON_DEMAND = """
view = FeatureView(name="cards", entities=[card], schema=[Field(name="amount", dtype=Float64)], source=source)

@on_demand_feature_view(sources=[view], schema=[Field(name="twice", dtype=Float64)])
def computed(inputs):
    inputs["twice"] = inputs["amount"] * 2
    return inputs[["twice"]]

fraud_detection_v1 = FeatureService(name="fraud_detection_v1", features=[view, computed])
"""
AMOUNT = 'Field(name="amount", dtype=Float64)'


@pytest.mark.parametrize(
    ("error", "said", "write"),
    [
        (InvalidDefinitions, "computed on demand", lambda of: of.write(text=ON_DEMAND)),
        (UnsupportedType, "cannot be a join key", lambda of: of.write("stock", AMOUNT, key="FLOAT")),
        (UnsupportedType, "cannot be a join key", lambda of: of.write("stock", AMOUNT, key="UNIX_TIMESTAMP")),
        (InvalidDefinitions, "online=False", lambda of: of.write(online=False)),
    ],
    ids=["on demand", "float key", "time key", "not online"],
)
def test_what_cannot_be_served_is_refused_before_anything_is_written(
    repository: Repository,
    error: type[Exception],
    said: str,
    write: Callable[[Repository], Settings],
) -> None:
    settings = write(repository)
    repository.write_rows()
    with pytest.raises(error, match=said):
        set_up(settings)
    assert open_feature_store(settings).list_feature_views() == []


def test_source_that_cannot_be_generated_says_what_it_has_to_hold(repository: Repository) -> None:
    settings = repository.write()
    with pytest.raises(SourceMissing, match=r"cards\.parquet(.|\n)*card, amt, parts, raw, seen, many, at"):
        set_up(settings)
