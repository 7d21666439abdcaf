from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Int64, String

from poc.online_store.bound_rows import (
    BoundRow,
    FeastRow,
    bound_rows,
    by_features,
    later_write_time,
    microseconds,
    seconds_left,
)
from poc.online_store.errors import WrongValueType
from poc.online_store.layout import RowLayout, row_layout

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
NOON_US = 1_714_996_800_000_000


@pytest.fixture
def layout(view_of: Callable[..., FeatureView]) -> RowLayout:
    return row_layout("ks", "poc", view_of({"a": Int64}, {"id": String}))


def row(id: str, a: int, event: datetime, created: datetime | None = None) -> FeastRow:
    key = EntityKey(join_keys=["id"], entity_values=[Value(string_val=id)])
    return (key, {"a": Value(int64_val=a)}, event, created)


def bound(layout: RowLayout, rows: list[FeastRow], ttl_seconds: int | None = None) -> list[BoundRow]:
    return bound_rows(layout, layout.features, rows, ttl_seconds, microseconds(NOON.replace(tzinfo=None)))


def test_write_time_is_the_event_time_in_microseconds(layout: RowLayout) -> None:
    [(id, a, event, created, write_time)] = bound(layout, [row("x", 7, NOON + timedelta(microseconds=1234))])
    assert (id, a, created, write_time) == ("x", 7, None, NOON_US + 1234)
    assert event == NOON.replace(microsecond=1000, tzinfo=None)


@pytest.mark.parametrize("missing", [None, pd.NaT])
def test_created_time_is_bound_to_the_millisecond_and_a_missing_one_as_none(
    layout: RowLayout, missing: datetime | None
) -> None:
    created = NOON + timedelta(microseconds=5678)
    [(_, _, _, known, _)] = bound(layout, [row("x", 7, NOON, created)])
    [(_, _, _, none, _)] = bound(layout, [row("x", 7, NOON, missing)])
    assert (known, none) == (NOON.replace(microsecond=5000, tzinfo=None), None)


@pytest.mark.parametrize(
    ("event_us", "stored_us", "written_us"),
    [
        (5000, None, 5000),
        (5000, 4999, 5000),
        (5000, 5000, 5001),
        (5000, 5001, 5002),
        (5000, 5998, 5999),
        # No microsecond is left that is still the event's own.
        (5000, 5999, 5000),
        (5000, 6000, 5000),
        (5001, 5001, 5002),
        # Another event, a microsecond later.
        (5001, 5002, 5001),
        (-5000, -5000, -4999),
    ],
)
def test_row_of_the_stored_ones_event_time_is_written_over_it(
    event_us: int, stored_us: int | None, written_us: int
) -> None:
    assert later_write_time(event_us, stored_us) == written_us


def test_time_without_a_zone_means_utc_and_zones_are_converted(layout: RowLayout) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=9)))
    assert bound(layout, [row("x", 1, NOON.replace(tzinfo=None))]) == bound(layout, [row("x", 1, east)])


def test_only_the_newest_of_an_entitys_rows_is_written(layout: RowLayout) -> None:
    rows = [row("x", 2, NOON), row("x", 1, NOON - timedelta(seconds=1)), row("y", 3, NOON)]
    assert [(id, a) for id, a, *_ in bound(layout, rows)] == [("x", 2), ("y", 3)]


def test_created_time_decides_between_rows_of_one_event_time(layout: RowLayout) -> None:
    late, early = NOON + timedelta(hours=2), NOON + timedelta(hours=1)
    rows = [row("x", 2, NOON, late), row("x", 1, NOON, early)]
    assert [(id, a) for id, a, *_ in bound(layout, rows)] == [("x", 2)]


@pytest.mark.parametrize("missing", [None, pd.NaT])
def test_row_without_a_created_time_comes_before_any_other_of_its_event_time(
    layout: RowLayout, missing: datetime | None
) -> None:
    rows = [row("x", 2, NOON, datetime(1960, 1, 1)), row("x", 1, NOON, missing)]  # noqa: DTZ001
    assert [a for _, a, *_ in bound(layout, rows)] == [2]
    assert [created for *_, created, _ in bound(layout, rows[1:])] == [None]


def test_position_decides_between_rows_that_are_equal_otherwise(layout: RowLayout) -> None:
    assert [a for _, a, *_ in bound(layout, [row("x", 1, NOON), row("x", 2, NOON)])] == [2]


def test_time_to_live_counts_from_the_event(layout: RowLayout) -> None:
    [(*_, ttl)] = bound(layout, [row("x", 1, NOON - timedelta(seconds=40))], ttl_seconds=100)
    assert ttl == 60
    # Cassandra takes whole seconds.
    assert type(seconds_left(NOON_US + 1, 100, NOON_US + 2)) is int


def test_row_past_its_time_to_live_is_left_out(layout: RowLayout) -> None:
    rows = [row("old", 1, NOON - timedelta(seconds=100)), row("new", 2, NOON - timedelta(seconds=99))]
    assert [id for id, *_ in bound(layout, rows, ttl_seconds=100)] == ["new"]


def test_event_of_the_future_lives_no_longer_than_cassandra_takes(layout: RowLayout) -> None:
    [(*_, ttl)] = bound(layout, [row("x", 1, NOON + timedelta(days=9_000))], ttl_seconds=100)
    assert NOON + timedelta(seconds=ttl) < datetime(2038, 1, 19, 3, 14, 6, tzinfo=timezone.utc)


def test_rows_are_grouped_by_the_features_they_carry(layout: RowLayout) -> None:
    full = row("x", 1, NOON)
    partial = (full[0], {}, NOON, None)
    assert list(by_features([full, partial, full])) == [(("a",), [full, full]), ((), [partial])]


def test_value_of_another_type_than_declared_is_refused_by_its_field(layout: RowLayout) -> None:
    key, _, *times = row("x", 1, NOON)
    with pytest.raises(WrongValueType, match="'a' is declared Int64, but the value is string_val"):
        bound(layout, [(key, {"a": Value(string_val="1")}, *times)])


def test_write_time_is_a_whole_number_as_cassandra_takes_it(layout: RowLayout) -> None:
    [(*_, write_time)] = bound(layout, [row("x", 7, NOON)])
    assert type(write_time) is int
