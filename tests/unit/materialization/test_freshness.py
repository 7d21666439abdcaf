from dataclasses import replace
from datetime import datetime, timedelta, timezone

from poc.materialization.freshness import Freshness

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
FOUND = Freshness("transaction_features", timedelta(days=30), NOW - HOUR, NOW - timedelta(days=2))


def holds(
    found: Freshness, max_age: timedelta = 2 * HOUR, max_event_age: timedelta | None = None
) -> list[bool]:
    return [check.holds for check in found.checks(NOW, max_age, max_event_age)]


def test_recent_interval_and_events_within_the_ttl_hold() -> None:
    assert holds(FOUND) == [True, True]


def test_age_of_exactly_the_limit_holds() -> None:
    assert holds(FOUND, max_age=HOUR) == [True, True]


def test_old_interval_does_not_hold() -> None:
    assert holds(replace(FOUND, materialized_until=NOW - 3 * HOUR)) == [False, True]


def test_events_older_than_the_ttl_do_not_hold() -> None:
    assert holds(replace(FOUND, newest_event=NOW - timedelta(days=31))) == [True, False]


def test_stated_limit_of_events_goes_before_the_ttl() -> None:
    assert holds(FOUND, max_event_age=timedelta(days=1)) == [True, False]


def test_events_of_a_view_without_ttl_may_be_of_any_age() -> None:
    assert holds(replace(FOUND, ttl=None, newest_event=NOW - timedelta(days=900))) == [True, True]


def test_no_event_at_all_does_not_hold() -> None:
    assert holds(replace(FOUND, newest_event=None)) == [True, False]


def test_check_says_the_moment_its_age_and_the_limit() -> None:
    materialized, event = FOUND.checks(NOW, timedelta(minutes=90))
    assert str(materialized) == (
        "transaction_features materialized until: 2026-11-24T11:00:00 UTC, 1 h ago (limit 1 h 30 min)"
    )
    assert str(event) == "transaction_features newest event: 2026-11-22T12:00:00 UTC, 2 d ago (limit 30 d)"


def test_check_without_a_limit_or_without_a_moment_says_neither() -> None:
    no_limit = replace(FOUND, ttl=None).checks(NOW, HOUR)[1]
    assert str(no_limit) == "transaction_features newest event: 2026-11-22T12:00:00 UTC, 2 d ago"
    nothing = replace(FOUND, newest_event=None).checks(NOW, HOUR)[1]
    assert str(nothing) == "transaction_features newest event: none"
    assert nothing.age == timedelta(0)


def test_moment_in_the_future_does_not_hold_and_says_that_a_clock_is_wrong() -> None:
    materialized, _ = replace(FOUND, materialized_until=NOW + HOUR).checks(NOW, HOUR)
    assert not materialized.holds
    assert "UTC, 1 h in the future: a clock is wrong" in str(materialized)


def test_clocks_may_be_some_seconds_apart() -> None:
    materialized, _ = replace(FOUND, materialized_until=NOW + timedelta(seconds=30)).checks(NOW, HOUR)
    assert materialized.holds
    assert "UTC, 0 s ago (limit 1 h)" in str(materialized)
