"""The event time of a row that was found, whoever found it."""

from datetime import datetime, timedelta, timezone

from poc.online_store.view_reader import event_time

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
TOKYO = timezone(timedelta(hours=9))


def test_event_time_is_utc_whatever_zone_a_store_gives_it_in() -> None:
    for moment in (NOON, NOON.replace(tzinfo=None), NOON.astimezone(TOKYO)):
        found = event_time(("value", moment))
        assert (found, found and found.tzinfo) == (NOON, timezone.utc)


def test_row_that_was_written_without_an_event_time_has_none() -> None:
    assert event_time(("value", None)) is None
