from datetime import datetime, timedelta, timezone

import pytest

from poc.retrieval.source import is_stale, utc_now

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)
TTL = timedelta(days=30)


@pytest.mark.parametrize(
    ("age", "stale"),
    [
        (timedelta(0), False),
        (-timedelta(days=1), False),
        (TTL, False),
        (TTL + timedelta(microseconds=1), True),
    ],
)
def test_values_are_stale_once_older_than_the_ttl(age: timedelta, stale: bool) -> None:
    assert is_stale(NOW - age, TTL, NOW) is stale


def test_values_without_ttl_are_never_stale() -> None:
    assert not is_stale(NOW - timedelta(days=10_000), None, NOW)


def test_clock_is_aware() -> None:
    assert utc_now().utcoffset() == timedelta(0)
