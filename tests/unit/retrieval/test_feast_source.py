"""The definitions, their refresh, and a store that is not Cassandra: on Feast's SQLite store, in a folder."""

import asyncio
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from feast import FeatureStore
from feast.infra.registry.file import FileRegistryStore
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
    OnlineTableMissing,
)
from poc.feature_store import open_feature_store
from poc.online_store.response import ResolvedResponse
from poc.repository import declared_service
from poc.retrieval import following
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


def test_who_reads_alone_after_a_shared_read_has_what_is_left_of_its_time(
    applied: Settings, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(amount=500.0)
    source = open_feast_source(applied.model_copy(update={"feature_timeout_seconds": 0.5}))

    def of_many(asked: object, rows: list[dict[str, object]]) -> None:
        time.sleep(0.4)
        if len(rows) == 2:
            raise CassandraUnavailable("here", "by one entity")

    monkeypatch.setattr(source._store, "get_online_features", of_many)

    async def times() -> list[float]:
        async def lasts(*names: str) -> float:
            began = time.monotonic()
            with pytest.raises(AnswerTooLate, match=r"no answer in 0\.5 s"):
                await source.read([(name,) for name in names])
            return time.monotonic() - began

        before = asyncio.create_task(source.read([("before",)] * 3))
        await asyncio.sleep(0)
        found = await asyncio.gather(lasts("a"), lasts("b"))
        await asyncio.gather(before, return_exceptions=True)
        return found

    assert all(0.45 < seconds < 0.75 for seconds in asyncio.run(times()))
    source.close()


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


AS_TEXT, AS_NUMBER = 'name="merchant_category", dtype=String,', 'name="merchant_category", dtype=Int64,'


@pytest.fixture
def retyped(applied: Settings, write: Callable) -> Settings:
    """Definitions that say a number where a text is stored."""
    write(merchant_category="Food")
    edit(applied, r'name="merchant_category",\s+dtype=String,', AS_NUMBER)
    edit(applied, r'tags=\{"values"[^}]*\},', "")
    apply_definitions(applied)
    return applied


def test_read_that_does_not_fit_any_more_is_answered_by_the_definitions_of_now(
    retyped: Settings, open_source: Callable
) -> None:
    source = open_source()
    edit(retyped, AS_NUMBER, AS_TEXT)
    apply_definitions(retyped)
    [found] = source.read(["12345"])
    assert found.values["merchant_category"] == "Food"


def test_read_that_does_not_fit_makes_the_readers_anew_also_where_the_registry_says_the_same(
    retyped: Settings, open_source: Callable
) -> None:
    source = open_source()
    served = source.served
    with pytest.raises(FeaturesOutdated):
        source.read(["12345"])
    assert source.served is not served
    assert source.served == served


def online_table(settings: Settings, before: str, after: str) -> None:
    """Rename the table of the online store that is called `before`."""
    with sqlite3.connect(settings.feast_repo_path.parent / "online.db") as store:
        store.execute(f"ALTER TABLE {before} RENAME TO {after}")


TABLE = "ml_platform_poc_transaction_features"


def test_failure_of_a_read_is_looked_into_in_the_background_before_the_next_refresh_is_due(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0)
    source = open_source(registry_refresh_seconds=3600)
    served = source.served
    online_table(applied, TABLE, "gone")
    with pytest.raises(OnlineTableMissing, match=TABLE):
        source.read(["12345"])
    online_table(applied, "gone", TABLE)
    deadline = time.monotonic() + 20
    while source.served is served and time.monotonic() < deadline:
        time.sleep(0.02)
    assert source.served is not served
    assert source.read(["12345"])[0].values["amount"] == 500.0


def test_registry_that_says_the_same_again_and_again_changes_nothing(
    applied: Settings, open_source: Callable
) -> None:
    source = open_source()
    served = source.served
    for _ in range(3):
        source.refresh()
    assert source.served is served


def test_change_is_told_with_the_features_that_are_served_now(
    applied: Settings, open_source: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source()
    edit(applied, r"\],\n    online=True,", NEW_FIELD)
    apply_definitions(applied)
    with caplog.at_level(logging.INFO, following.__name__):
        source.refresh()
        source.refresh()
    told = [
        getattr(record, "features", None) for record in caplog.records if record.name == following.__name__
    ]
    assert told == [source.served.names]


def test_thread_that_follows_the_registry_keeps_no_process_alive(applied: Settings) -> None:
    before = set(threading.enumerate())
    source = open_feast_source(applied)
    started = {thread.name: thread.daemon for thread in set(threading.enumerate()) - before}
    source.close()
    assert started["definitions"]
    assert all(started.values())


def test_thread_that_follows_the_registry_ends_with_the_source(applied: Settings) -> None:
    before = set(threading.enumerate())
    source = open_feast_source(applied)
    [thread] = [item for item in set(threading.enumerate()) - before if item.name == "definitions"]
    source.close()
    source.close()
    thread.join(5)
    assert not thread.is_alive()


def test_check_finds_out_whether_the_store_was_ever_filled_also_without_a_registry(
    applied: Settings, definitions: ServedFeatures, open_source: Callable
) -> None:
    source = open_source()
    with pytest.raises(FeaturesNotMaterialized, match="transaction_features"):
        source.check()
    record_materialization(applied, definitions)
    source.refresh()
    (applied.feast_repo_path.parent / "registry.db").unlink()
    source.check()
    assert source.read(["nobody"]) == [None]


def forget_materializations(settings: Settings) -> None:
    """Apply the same definitions to a registry that was never there."""
    (settings.feast_repo_path.parent / "registry.db").unlink()
    apply_definitions(settings)


def test_store_that_a_check_found_filled_is_not_asked_again_for_an_unknown_entity(
    applied: Settings, definitions: ServedFeatures, open_source: Callable
) -> None:
    record_materialization(applied, definitions)
    source = open_source()
    source.check()
    forget_materializations(applied)
    source.refresh()
    assert source.read(["nobody"]) == [None]


def test_store_that_a_check_found_empty_is_empty_for_an_unknown_entity_too(
    applied: Settings, definitions: ServedFeatures, open_source: Callable
) -> None:
    record_materialization(applied, definitions)
    source = open_source()
    assert source.read(["nobody"]) == [None]
    forget_materializations(applied)
    source.refresh()
    with pytest.raises(FeaturesNotMaterialized):
        source.check()
    with pytest.raises(FeaturesNotMaterialized):
        source.read(["nobody"])


def test_check_of_a_store_that_lost_its_table_says_so(
    applied: Settings, write: Callable, open_source: Callable
) -> None:
    write(amount=500.0)
    source = open_source()
    assert source.read(["12345"]) != [None]
    online_table(applied, TABLE, "gone")
    with pytest.raises(OnlineTableMissing, match=TABLE):
        source.check()


def test_no_entity_is_no_question(applied: Settings, open_source: Callable) -> None:
    # Of a store that was never filled a question would say so.
    assert open_source().read([]) == []


def test_key_of_more_parts_than_the_service_has_is_nobodys(applied: Settings, write: Callable) -> None:
    write(amount=500.0)
    source = open_feast_source(applied)
    with pytest.raises(ValueError, match="zip"):
        asyncio.run(source.read([("12345", "more")]))
    source.close()


def test_key_that_the_service_renames_is_read_by_its_new_name(
    settings: Settings, open_source: Callable
) -> None:
    edit(
        settings,
        r"features=\[transaction_features\]",
        'features=[transaction_features.with_join_key_map({"transaction_id": "payment"})]',
    )
    apply_definitions(settings)
    write_through_feast(settings, declared_service(settings), [Row("12345", {"amount": 5.0}, NOW)])
    source = open_source()
    assert source.served.key_names == ("payment",)
    [known, unknown] = source.read(["12345", "nobody"])
    assert (known.values["amount"], unknown) == (5.0, None)


def test_nulls_and_values_of_a_store_that_feast_itself_answers_for_are_told_apart(
    settings: Settings, write: Callable, open_source: Callable
) -> None:
    path = settings.feast_repo_path / "feature_store.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"provider": "local"}))
    apply_definitions(settings)
    write(transaction_hour=0)
    [found] = open_source().read(["12345"])
    assert found.values["transaction_hour"] == 0
    assert found.values["amount"] is None
    assert found.missing == ()


def test_feature_that_feast_itself_finds_unwritten_hides_none_of_those_after_it(
    settings: Settings, write: Callable, open_source: Callable
) -> None:
    path = settings.feast_repo_path / "feature_store.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"provider": "local"}))
    apply_definitions(settings)
    write(amount=500.0)
    edit(settings, r"(?<=schema=\[)(?=\n)", '\n        Field(name="first", dtype=Int64),')
    apply_definitions(settings)
    [found] = open_source().read(["12345"])
    assert found.missing == ("first",)
    assert found.values["amount"] == 500.0


def test_what_keeps_the_registry_from_being_followed_is_said(
    applied: Settings, open_source: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    open_source(registry_refresh_seconds=0.02)
    (applied.feast_repo_path.parent / "registry.db").unlink()
    deadline = time.monotonic() + 20
    while not any("fraud_detection_v1" in text for text in caplog.messages) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert any("has no feature service 'fraud_detection_v1'" in text for text in caplog.messages)


def test_registry_is_read_to_look_and_to_show_and_not_for_each_thing_in_it(
    applied: Settings, open_source: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source()
    edit(applied, r"\],\n    online=True,", NEW_FIELD)
    apply_definitions(applied)
    reads: list[object] = []
    read = FileRegistryStore.get_registry_proto
    monkeypatch.setattr(
        FileRegistryStore, "get_registry_proto", lambda store: reads.append(store) or read(store)
    )
    source.refresh()
    assert source.served.names[-1] == "new_feature"
    assert len(reads) == 2


def test_resolved_answer_is_read_without_the_message_that_feast_would_make_of_it(
    applied: Settings, write: Callable, open_source: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(amount=500.0)
    source = open_source()
    monkeypatch.setattr(ResolvedResponse, "proto", None)
    assert source.read(["12345"])[0].values["amount"] == 500.0
