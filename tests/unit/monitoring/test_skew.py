from datetime import datetime, timedelta, timezone

import pytest

from poc.monitoring.consistency import Skew, differences
from poc.monitoring.filled_stores import NEVER_WRITTEN, StoredRow

EVENT = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=timezone.utc)
KEPT = EVENT.replace(microsecond=123_000)
KEY = {"payment_id": "7"}


def found(online: object, offline: object, moment: datetime | None = KEPT) -> list[Skew]:
    return differences(KEY, StoredRow([online], moment), {"x": offline}, EVENT, "timestamp")


@pytest.mark.parametrize("value", [1, None, "a", 0.1])
def test_equal_values_are_no_skew(value: object) -> None:
    assert found(value, value) == []


@pytest.mark.parametrize(("online", "offline"), [(1, 2), (1.0, 1), (0, None), (None, 0)])
def test_any_other_value_is_skew(online: object, offline: object) -> None:
    assert found(online, offline) == [Skew(KEY, "x", online, offline)]


@pytest.mark.parametrize("offline", [1, None])
def test_feature_that_was_never_written_is_skew_also_where_the_offline_value_is_null(offline: object) -> None:
    assert found(NEVER_WRITTEN, offline) == [Skew(KEY, "x", NEVER_WRITTEN, offline)]


@pytest.mark.parametrize("other", [KEPT + timedelta(milliseconds=1), None])
def test_other_event_time_is_skew_though_every_value_is_equal(other: datetime | None) -> None:
    assert found(1, 1, other) == [Skew(KEY, "timestamp", other, EVENT)]


def test_skew_names_the_entity_and_the_value() -> None:
    assert str(Skew(KEY, "x", 1, 2)) == "7.x: online 1, offline 2"
    assert str(Skew(KEY, None, None, None)) == "7: missing online"
    pair = {"merchant_id": "m1", "card_id": 5}
    assert str(Skew(pair, "x", NEVER_WRITTEN, None)) == "m1/5.x: online never written, offline None"
