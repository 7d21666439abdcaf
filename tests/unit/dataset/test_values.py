from datetime import datetime, timedelta, timezone
from math import nextafter

import pytest

from poc.dataset.values import same_event_time, same_value

EVENT = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=timezone.utc)
KEPT = EVENT.replace(microsecond=123_000)


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
        (KEPT.replace(tzinfo=None), EVENT),
        (EVENT.replace(microsecond=0), EVENT),
        ([1.5, None], [1.5, float("nan")]),
        ([KEPT], [EVENT]),
    ],
)
def test_equal_values_are_one(online: object, offline: object) -> None:
    assert same_value(online, offline)


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
        (None, EVENT),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ([1], None),
    ],
)
def test_any_other_value_is_another(online: object, offline: object) -> None:
    assert not same_value(online, offline)


def test_event_time_is_compared_to_the_millisecond() -> None:
    assert same_event_time(KEPT, EVENT)
    assert same_event_time(KEPT.replace(tzinfo=None), EVENT)
    assert not same_event_time(KEPT + timedelta(milliseconds=1), EVENT)
    assert not same_event_time(EVENT.replace(microsecond=0), EVENT)
    assert not same_event_time(None, EVENT)
