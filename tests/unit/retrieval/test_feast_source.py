"""The definitions, their refresh, and a store that is not Cassandra: on Feast's SQLite store, in a folder."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from feast import FeatureStore
from own_sessions import apply_definitions
from reading_ways import Opened
from stored_features import Row, feature_repo, write_through_feast

from poc.definitions import ServedFeatures
from poc.errors import (
    AnswerTooLate,
    CassandraUnavailable,
    FeaturesNotApplied,
    FeaturesNotMaterialized,
    FeaturesOutdated,
)
from poc.feature_store import open_feature_store
from poc.repository import declared_service
from poc.retrieval.feast_source import open_feast_source
from poc.settings import Settings

NOW = datetime.now(timezone.utc).replace(microsecond=0)
NEW_FIELD = """Field(name="new_feature", dtype=Float64),
    ],
    online=True,"""

SECOND_VIEW = """
times = FeatureView(
    name="times",
    entities=[transaction],
    ttl=timedelta(hours=1),
    schema=[Field(name="hour", dtype=Int64)],
    source=transaction_source,
)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    repo = feature_repo(tmp_path, "unused")
    path = repo / "feature_store.yaml"
    content = yaml.safe_load(path.read_text())
    content["online_store"] = {"type": "sqlite", "path": str(tmp_path / "online.db")}
    path.write_text(yaml.safe_dump(content))
    return Settings(_env_file=None, feast_repo_path=repo, registry_refresh_seconds=3600)


@pytest.fixture
def write(settings: Settings, definitions: ServedFeatures) -> Callable[..., None]:
    def write_rows(**values: object) -> None:
        write_through_feast(settings, definitions, [Row("12345", values, NOW - timedelta(hours=1))])

    return write_rows


@pytest.fixture
def applied(settings: Settings) -> Settings:
    apply_definitions(settings)
    return settings


@pytest.fixture
def open_source(settings: Settings) -> Iterator[Callable[..., Opened]]:
    opened: list[Opened] = []

    def open_it(**changes: object) -> Opened:
        opened.append(Opened(open_feast_source(settings.model_copy(update=changes))))
        return opened[-1]

    yield open_it
    for source in opened:
        source.close()


def edit(settings: Settings, pattern: str, replacement: str) -> None:
    path = settings.feast_repo_path / "features.py"
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.DOTALL)
    assert count == 1
    path.write_text(text)


def record_materialization(settings: Settings, definitions: ServedFeatures) -> None:
    store = open_feature_store(settings)
    view = store.get_feature_view(definitions.feature_sets[0].view)
    store.registry.apply_materialization(view, store.project, NOW - timedelta(days=30), NOW)


def test_empty_registry_is_not_applied(settings: Settings) -> None:
    with pytest.raises(FeaturesNotApplied):
        open_feast_source(settings)


def test_other_service_is_not_applied(applied: Settings) -> None:
    with pytest.raises(FeaturesNotApplied, match="fraud_detection_v9"):
        open_feast_source(applied.model_copy(update={"feature_service": "fraud_detection_v9"}))


def test_store_other_than_cassandra_is_read(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0, transaction_hour=0)
    known, unknown = open_source().read(["12345", "nobody"])
    assert (known.values["amount"], known.values["transaction_hour"]) == (500.0, 0)
    assert known.event_timestamp == NOW - timedelta(hours=1)
    assert unknown is None


def test_store_other_than_cassandra_counts_as_empty_until_feast_recorded_a_materialization(
    applied: Settings, definitions: ServedFeatures, open_source: Callable
) -> None:
    source = open_source()
    with pytest.raises(FeaturesNotMaterialized, match="transaction_features"):
        source.read(["nobody"])
    record_materialization(applied, definitions)
    source.refresh()
    assert source.read(["nobody"]) == [None]


def test_source_that_was_closed_says_so(applied: Settings, write: Callable, open_source: Callable) -> None:
    write(amount=500.0)
    source = open_source()
    source.close()
    with pytest.raises(CassandraUnavailable, match=r"online store \(sqlite\): the source was closed"):
        source.read(["12345"])


def test_once_filled_an_unknown_entity_is_absent_also_where_nothing_is_left(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0)
    source = open_source()
    assert source.read(["12345"])[0] is not None
    assert source.read(["nobody"]) == [None]


def test_values_that_do_not_fit_are_looked_into_once_a_second(
    applied: Settings, write: Callable, open_source: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    write(merchant_category="Food")
    source = open_source()
    source.read(["12345"])
    edit(applied, r'name="merchant_category",\s+dtype=String,', 'name="merchant_category", dtype=Int64,')
    edit(applied, r'tags=\{"values"[^}]*\},', "")
    apply_definitions(applied)
    source.refresh()
    (applied.feast_repo_path.parent / "registry.db").unlink()
    for _ in range(5):
        with pytest.raises(FeaturesOutdated, match="merchant_category"):
            source.read(["12345"])
    said = [text for text in caplog.messages if text.startswith("The features stay as they were: ")]
    assert 1 <= len(said) <= 2
    assert "fraud_detection_v1" in said[0]


def test_service_of_some_features_gives_those(settings: Settings, open_source: Callable) -> None:
    edit(
        settings,
        r"features=\[transaction_features\]",
        'features=[transaction_features[["transaction_hour", "amount"]]]',
    )
    apply_definitions(settings)
    assert open_source().served.names == ("amount", "transaction_hour")


def test_entity_of_several_views_has_the_values_of_all_and_the_oldest_time_or_is_absent(
    settings: Settings, open_source: Callable
) -> None:
    edit(settings, r"(?=\nfraud_detection_v1|\nFeatureService\()", SECOND_VIEW)
    edit(settings, r"features=\[transaction_features\]", 'features=[transaction_features[["amount"]], times]')
    apply_definitions(settings)
    served = declared_service(settings)
    payments, times = (replace(served, views=(view,)) for view in served.views)
    write_through_feast(settings, payments, [Row("1", {"amount": 5.0}, NOW), Row("2", {"amount": 6.0}, NOW)])
    early = NOW - timedelta(hours=2)
    write_through_feast(settings, times, [Row("2", {"hour": 7}, early), Row("3", {"hour": 8}, NOW)])

    paid, both, timed, none = open_source().read(["1", "2", "3", "4"])
    assert both.values == {"amount": 6.0, "hour": 7}
    assert (both.event_timestamp, both.stale, both.missing) == (early, True, ())
    assert (paid, timed, none) == (None, None, None)


def test_added_feature_is_missing_until_it_is_materialized(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0)
    source = open_source()
    edit(applied, r"\],\n    online=True,", NEW_FIELD)
    apply_definitions(applied)
    source.refresh()
    [found] = source.read(["12345"])
    assert source.served.names[-1] == "new_feature"
    assert found.missing == ("new_feature",)
    assert "new_feature" not in found.values
    assert found.values["amount"] == 500.0


def test_registry_is_followed_by_feasts_own_provider_too(
    settings: Settings, write: Callable, open_source: Callable
) -> None:
    path = settings.feast_repo_path / "feature_store.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"provider": "local"}))
    apply_definitions(settings)
    write(amount=500.0)
    source = open_source()
    known, unknown = source.read(["12345", "nobody"])
    assert (known.values["amount"], known.event_timestamp) == (500.0, NOW - timedelta(hours=1))
    assert unknown is None
    edit(settings, r"\],\n    online=True,", NEW_FIELD)
    apply_definitions(settings)
    source.refresh()
    assert source.read(["12345"])[0].missing == ("new_feature",)


def test_registry_that_says_what_it_said_changes_nothing(applied: Settings, open_source: Callable) -> None:
    source = open_source()
    served = source.served
    source.refresh()
    assert source.served is served


def test_store_that_takes_too_long_is_named_with_the_time_that_it_had(
    applied: Settings, write: Callable, open_source: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(amount=500.0)
    source = open_source(feature_timeout_seconds=0.2)
    monkeypatch.setattr(FeatureStore, "get_online_features", lambda *_, **__: time.sleep(1))
    with pytest.raises(AnswerTooLate, match=r"online store \(sqlite\) gave no answer in 0.2 s"):
        source.read(["12345"])


def test_changed_service_is_picked_up_in_the_background(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0)
    source = open_source(registry_refresh_seconds=0.05)
    edit(applied, r"\],\n    online=True,", NEW_FIELD)
    apply_definitions(applied)
    deadline = time.monotonic() + 60
    while "new_feature" not in source.served.names and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "new_feature" in source.served.names


@pytest.mark.parametrize("state", ["missing", "empty", "torn"])
def test_registry_that_cannot_be_read_takes_nothing_away(
    applied: Settings, write: Callable, open_source: Callable, state: str
) -> None:
    write(amount=500.0)
    source = open_source(registry_refresh_seconds=0.02)
    registry = applied.feast_repo_path.parent / "registry.db"
    if state == "missing":
        registry.unlink()
    else:
        registry.write_bytes(b"" if state == "empty" else registry.read_bytes()[:-7])
    time.sleep(0.3)
    assert source.read(["12345"])[0].values["amount"] == 500.0


def test_registry_that_is_repaired_is_followed_again(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0)
    source = open_source()
    registry = applied.feast_repo_path.parent / "registry.db"
    registry.unlink()
    with pytest.raises(FeaturesNotApplied):
        source.refresh()
    apply_definitions(applied)
    source.refresh()
    assert source.read(["12345"])[0].values["amount"] == 500.0


def test_value_of_another_type_than_declared_is_outdated(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(merchant_category="Food")
    edit(applied, r'name="merchant_category",\s+dtype=String,', 'name="merchant_category", dtype=Int64,')
    edit(applied, r'tags=\{"values"[^}]*\},', "")
    apply_definitions(applied)
    with pytest.raises(FeaturesOutdated, match="merchant_category"):
        open_source().read(["12345"])
