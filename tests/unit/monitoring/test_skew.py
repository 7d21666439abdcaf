from datetime import datetime, timedelta, timezone
from math import nextafter

import pytest

from poc.monitoring.skew import Skew, differences

EVENT = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=timezone.utc)
KEPT = EVENT.replace(microsecond=123_000)


def found(online: object, offline: object) -> list[Skew]:
    return differences("7", (KEPT, {"x": online}), {"x": offline}, EVENT, "timestamp")


@pytest.mark.parametrize(
    ("online", "offline"),
    [
        (1, 1),
        (0.1, 0.1),
        ("a", "a"),
        (True, True),
        (b"\x00", b"\x00"),
        (None, None),
        (None, float("nan")),
        (KEPT, EVENT),
        (EVENT.replace(microsecond=0), EVENT),
        ([1.5, None], [1.5, float("nan")]),
        ([KEPT], [EVENT]),
    ],
)
def test_equal_values_are_no_skew(online: object, offline: object) -> None:
    assert found(online, offline) == []


@pytest.mark.parametrize(
    ("online", "offline"),
    [
        (0.1, nextafter(0.1, 1)),
        (1, 2),
        (1.0, 1),
        (True, 1),
        (0, None),
        (None, 0),
        ("a", "a "),
        (EVENT + timedelta(seconds=1), EVENT),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ([1], None),
    ],
)
def test_any_other_value_is_skew(online: object, offline: object) -> None:
    assert found(online, offline) == [Skew("7", "x", online, offline)]


def test_feature_that_is_not_stored_is_skew() -> None:
    assert differences("7", (KEPT, {}), {"x": 1}, EVENT, "timestamp") == [Skew("7", "x", None, 1)]


def test_other_event_time_is_skew_though_every_value_is_equal() -> None:
    other = KEPT + timedelta(milliseconds=1)
    assert differences("7", (other, {"x": 1}), {"x": 1}, EVENT, "timestamp") == [
        Skew("7", "timestamp", other, EVENT)
    ]


def test_skew_names_the_value() -> None:
    assert str(Skew("7", "x", 1, 2)) == "7.x: online 1, offline 2"
    assert str(Skew("7", None, None, None)) == "7: missing online"
