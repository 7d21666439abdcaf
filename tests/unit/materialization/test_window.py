from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from poc.materialization.records import MaterializationRun
from poc.materialization.window import (
    EARLIEST,
    Window,
    covering_last,
    cut_at_now,
    full_window,
    given_window,
    in_words,
    next_window,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
TTL = timedelta(days=30)
LAST = MaterializationRun(
    "cassandra",
    "transaction_features",
    NOW - timedelta(hours=1),
    NOW - timedelta(hours=1, seconds=30),
    NOW - timedelta(days=30),
    NOW - timedelta(hours=1),
    "as it was",
    9_997,
    30.0,
    0,
)


def choose(
    last: MaterializationRun | None = LAST,
    registry_until: datetime | None = LAST.covered_until,
    holds: bool = True,
    content: str = LAST.content,
    until: datetime | None = None,
    ttl: timedelta | None = TTL,
) -> Window:
    return next_window(NOW, ttl, last, registry_until, holds, summary_of_covered(content), until)


def summary_of_covered(content: str) -> Callable[[datetime, datetime], str]:
    """Say `content` of what the last run covered, and something else of any other interval."""
    covered = (LAST.covered_from, LAST.covered_until)
    return lambda *asked: content if asked == covered else "of another interval"


@pytest.mark.parametrize(
    ("ttl", "start", "said"),
    [
        (timedelta(days=30), NOW - timedelta(days=30), "the last 30 days: first run"),
        (timedelta(days=90), NOW - timedelta(days=90), "the last 90 days: first run"),
        (timedelta(minutes=90), NOW - timedelta(minutes=90), "the last 1 h 30 min: first run"),
        (None, EARLIEST, "everything: first run"),
        (timedelta(days=999_999), EARLIEST, "the last 999999 days: first run"),
    ],
)
def test_first_run_takes_what_is_not_stale(ttl: timedelta | None, start: datetime, said: str) -> None:
    window = choose(last=None, registry_until=None, ttl=ttl)
    assert (window.start, window.end, window.why) == (start, NOW, said)
    assert (window.covered_from, window.covered_until) == (start, NOW)


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(days=1), "1 d"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
        (timedelta(hours=23, minutes=59, seconds=59), "23 h 59 min"),
        (timedelta(minutes=1, seconds=1), "1 min 1 s"),
        (timedelta(milliseconds=900), "0 s"),
    ],
)
def test_length_of_time_is_said_in_its_two_greatest_units(length: timedelta, said: str) -> None:
    assert in_words(length) == said


@pytest.mark.parametrize(("days", "said"), [(1, "the last 1 d"), (2, "the last 2 days")])
def test_ttl_of_whole_days_is_said_in_days(days: int, said: str) -> None:
    assert full_window(NOW, timedelta(days=days), "x").why == f"{said}: x"


def test_guides_full_run_is_announced_in_the_guides_words() -> None:
    assert str(full_window(NOW, TTL, "as asked")) == (
        "Materializing 2026-10-25T12:00:00 to 2026-11-24T12:00:00 UTC (the last 30 days: as asked)"
    )


def test_later_run_takes_what_is_new() -> None:
    window = choose()
    assert (window.start, window.end) == (LAST.covered_until, NOW)
    assert window.covered_until == NOW
    assert window.why == "new since the last run"


def test_later_run_writes_nothing_anew() -> None:
    assert choose().continues
    assert not choose().anew
    assert not choose(content="another").continues


def test_full_run_takes_the_place_of_what_was_stored_unless_told_otherwise() -> None:
    assert choose(content="another").anew
    assert not full_window(NOW, TTL, "as asked", anew=False).anew


def test_later_run_remembers_where_the_online_store_begins() -> None:
    assert choose().covered_from == LAST.covered_from


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"content": "another"}, "the data or the definitions changed"),
        ({"holds": False}, "the online store is empty"),
        ({"registry_until": None}, "Feast's registry has no run of it, as after apply of a changed view"),
    ],
    ids=["changed rows", "empty online store", "new registry"],
)
def test_what_is_not_as_the_last_run_left_it_makes_a_full_run_that_says_why(
    choice: dict[str, Any], why: str
) -> None:
    window = choose(**choice)
    assert (window.start, window.end, window.why) == (NOW - TTL, NOW, f"the last 30 days: {why}")


@pytest.mark.parametrize("ttl", [timedelta(days=31), None])
def test_ttl_that_grew_makes_a_full_run(ttl: timedelta | None) -> None:
    window = choose(ttl=ttl)
    assert not window.continues
    assert window.start == (EARLIEST if ttl is None else NOW - ttl)
    assert window.why.endswith(": the ttl reaches further back than the last run did")


def test_ttl_that_shrank_leaves_what_was_materialized() -> None:
    assert choose(ttl=timedelta(days=1)).continues


def test_run_that_reached_into_the_future_makes_a_full_run_up_to_now() -> None:
    future = replace(LAST, covered_until=NOW + timedelta(days=400))
    window = choose(last=future, registry_until=future.covered_until)
    assert (window.start, window.end, window.covered_until) == (NOW - TTL, NOW, NOW)
    assert window.why == "the last 30 days: the last run reached into the future"


def test_registry_behind_the_record_leaves_no_gap() -> None:
    behind = LAST.covered_until - timedelta(hours=5)
    assert choose(registry_until=behind).start == behind


def test_given_interval_is_taken_as_it_is() -> None:
    window = given_window(NOW - timedelta(days=2), NOW - timedelta(days=1))
    assert (window.start, window.end) == (NOW - timedelta(days=2), NOW - timedelta(days=1))


BACKFILL = given_window(NOW - timedelta(days=12), NOW - timedelta(days=8))


def covered(window: Window, holds: bool = True, content: str = LAST.content) -> tuple[datetime, datetime]:
    found = covering_last(window, LAST, holds, summary_of_covered(content))
    assert (found.start, found.end) == (window.start, window.end)
    return found.covered_from, found.covered_until


def test_backfill_beside_a_run_into_the_future_covers_itself_only() -> None:
    future = replace(LAST, covered_until=NOW + timedelta(days=400))
    assert covering_last(BACKFILL, future, True, lambda start, end: LAST.content) == BACKFILL


def test_backfill_takes_nothing_away_from_what_was_covered() -> None:
    assert covered(BACKFILL) == (LAST.covered_from, LAST.covered_until)


def test_backfill_before_what_was_covered_adds_to_it() -> None:
    before = given_window(LAST.covered_from - timedelta(days=9), LAST.covered_from)
    assert covered(before) == (before.start, LAST.covered_until)


def test_backfill_after_what_was_covered_adds_to_it() -> None:
    after = given_window(LAST.covered_until, NOW)
    assert covered(after) == (LAST.covered_from, NOW)


def test_backfill_that_leaves_a_gap_covers_itself_only() -> None:
    apart = given_window(LAST.covered_from - timedelta(days=9), LAST.covered_from - timedelta(days=1))
    assert covered(apart) == (apart.start, apart.end)


def test_backfill_beside_rows_that_changed_covers_itself_only() -> None:
    assert covered(BACKFILL, content="another") == (BACKFILL.start, BACKFILL.end)


def test_backfill_into_an_empty_store_covers_itself_only() -> None:
    assert covered(BACKFILL, holds=False) == (BACKFILL.start, BACKFILL.end)


def test_scheduled_run_ends_where_its_interval_does() -> None:
    until = NOW - timedelta(minutes=20)
    assert (choose(until=until).start, choose(until=until).end) == (LAST.covered_until, until)


def test_first_scheduled_run_takes_the_thirty_days_before_its_end() -> None:
    until = NOW - timedelta(minutes=20)
    window = choose(last=None, registry_until=None, until=until)
    assert (window.start, window.end) == (until - TTL, until)


def test_scheduled_run_of_an_interval_that_was_done_has_nothing_to_do() -> None:
    assert choose(until=LAST.covered_until).is_empty
    assert choose(until=LAST.covered_until - timedelta(hours=3)).is_empty


def test_scheduled_run_of_an_old_interval_does_not_forget_what_came_after() -> None:
    assert choose(content="another", until=LAST.covered_until - timedelta(hours=3)).end == LAST.covered_until


def test_scheduled_run_does_not_reach_into_the_future() -> None:
    assert choose(until=NOW + timedelta(hours=1)).end == NOW


def test_window_without_anything_to_do_says_how_far_it_was_done() -> None:
    assert str(choose(until=LAST.covered_until)) == (
        "Nothing is new: materialized up to 2026-11-24T11:00:00 UTC before"
    )


def test_end_in_the_future_is_said_to_be_cut() -> None:
    window = given_window(NOW - timedelta(days=1), NOW)
    cut = cut_at_now(window, datetime(2028, 1, 1, tzinfo=timezone.utc))
    assert str(cut).endswith("UTC (as given; up to now, as 2028-01-01T00:00:00 lies in the future)")
    assert (cut.start, cut.end, cut.covered_until) == (window.start, NOW, NOW)


def test_end_that_has_come_is_not_cut() -> None:
    window = given_window(NOW - timedelta(days=1), NOW)
    assert cut_at_now(window, NOW) == window
    assert cut_at_now(window, None) == window
