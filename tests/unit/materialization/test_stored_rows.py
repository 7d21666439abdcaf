from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from feast.types import Int64, String

from poc.dataset.values import Difference
from poc.definitions import Feature, FeatureSet, JoinKey
from poc.materialization.stored_rows import NEVER_WRITTEN, SourceRow, StoredRow, differences

EVENT = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=timezone.utc)
KEPT = EVENT.replace(microsecond=123_000)
KEY = {"payment_id": "7"}
PAYMENTS = FeatureSet(
    "payments",
    (JoinKey("payment_id", String),),
    (Feature("x", Int64, "", {}),),
    None,
    Path("payments.parquet"),
    "timestamp",
    None,
)


def found(online: object, offline: object, moment: datetime | None = KEPT) -> list[Difference]:
    return differences(SourceRow(("7",), EVENT, [offline], StoredRow([online], moment)), PAYMENTS)


@pytest.mark.parametrize("value", [1, None, "a", 0.1])
def test_equal_values_are_no_skew(value: object) -> None:
    assert found(value, value) == []


@pytest.mark.parametrize(("online", "offline"), [(1, 2), (1.0, 1), (0, None), (None, 0)])
def test_any_other_value_is_skew(online: object, offline: object) -> None:
    assert found(online, offline) == [Difference(KEY, "x", online, offline)]


@pytest.mark.parametrize("offline", [1, None])
def test_feature_that_was_never_written_is_skew_also_where_the_offline_value_is_null(offline: object) -> None:
    assert found(NEVER_WRITTEN, offline) == [Difference(KEY, "x", NEVER_WRITTEN, offline)]


@pytest.mark.parametrize("other", [KEPT + timedelta(milliseconds=1), None])
def test_other_event_time_is_skew_though_every_value_is_equal(other: datetime | None) -> None:
    assert found(1, 1, other) == [Difference(KEY, "timestamp", other, EVENT)]


def test_entity_that_is_not_stored_is_missing_and_no_value_of_it_is_named() -> None:
    missing = SourceRow(("7",), EVENT, [1], None)
    assert differences(missing, PAYMENTS) == [Difference(KEY, None, None, None)]


def test_skew_names_the_entity_and_the_value() -> None:
    assert str(Difference(KEY, "x", 1, 2)) == "7.x: online 1, offline 2"
    assert str(Difference(KEY, None, None, None)) == "7: missing online"
    pair = {"merchant_id": "m1", "card_id": 5}
    assert str(Difference(pair, "x", NEVER_WRITTEN, None)) == "m1/5.x: online never written, offline None"
