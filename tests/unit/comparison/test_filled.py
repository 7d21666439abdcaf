from datetime import datetime, timedelta, timezone

from poc.comparison.filled import merged

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def hours(start: int, end: int) -> tuple[datetime, datetime]:
    return START + timedelta(hours=start), START + timedelta(hours=end)


def test_hourly_intervals_are_one() -> None:
    assert merged([hours(1, 2), hours(0, 1), hours(2, 3)]) == [hours(0, 3)]


def test_interval_within_another_adds_nothing() -> None:
    assert merged([hours(0, 9), hours(2, 3)]) == [hours(0, 9)]


def test_gap_between_intervals_stays() -> None:
    assert merged([hours(0, 1), hours(5, 6)]) == [hours(0, 1), hours(5, 6)]


def test_naive_times_are_utc() -> None:
    start, end = hours(0, 1)
    assert merged([(start.replace(tzinfo=None), end)]) == [(start, end)]
