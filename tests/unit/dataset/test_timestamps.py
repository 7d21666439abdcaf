from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from poc.dataset.columns import time_columns
from poc.dataset.generate import generate_dataset
from poc.dataset.timestamps import out_of_date, stamp, stamp_created, without_current
from poc.definitions import FeatureSet

SEED = 3


@pytest.fixture
def stamped(definitions: FeatureSet, now: datetime) -> pa.Table:
    table = stamp(generate_dataset(definitions), definitions, now, SEED)
    return stamp_created(table, definitions, SEED)


def current(table: pa.Table, definitions: FeatureSet) -> pa.ChunkedArray:
    """The event times without the guide's older records."""
    moments = table.column(definitions.timestamp_column)
    return moments.filter(pc.greater(pc.year(moments), 2024))


def test_hours_are_those_of_the_payments(stamped: pa.Table, definitions: FeatureSet) -> None:
    hours = pc.hour(stamped.column(definitions.timestamp_column))
    assert hours.to_pylist() == stamped.column("transaction_hour").to_pylist()


def test_moments_cover_the_21_whole_days_before_today(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    days = {moment.date() for moment in current(stamped, definitions).to_pylist()}
    assert days == {(now - timedelta(days=day)).date() for day in range(1, 22)}


def test_writing_follows_the_event_within_a_minute_and_is_not_in_the_future(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    created = stamped.column(time_columns(definitions)[1])
    delays = pc.subtract(created, stamped.column(definitions.timestamp_column)).to_pylist()
    assert timedelta(0) < min(delays)
    assert max(delays) <= timedelta(minutes=1)
    assert max(created.to_pylist()) < now.replace(hour=0, minute=0)


def test_same_date_gives_the_same_moments_at_any_hour_and_in_any_zone(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    later = now.replace(hour=23).astimezone(timezone(timedelta(hours=9)))
    again = stamp(generate_dataset(definitions), definitions, later, SEED)
    moment = definitions.timestamp_column
    assert again.column(moment).equals(stamped.column(moment))


@pytest.fixture
def shuffled(definitions: FeatureSet) -> pa.Table:
    """Other records of the same transactions, in another order: at other hours, and other days by chance."""
    records = generate_dataset(definitions, seed=SEED + 1)
    return records.take(pa.array(range(records.num_rows - 1, -1, -1)))


def test_record_that_replaces_another_is_not_before_it(
    stamped: pa.Table, shuffled: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    key, moment = definitions.key_names[0], definitions.timestamp_column
    latest = stamped.group_by(key).aggregate([(moment, "max")])
    before = dict(
        zip(latest.column(key).to_pylist(), latest.column(f"{moment}_max").to_pylist(), strict=True)
    )
    alone = stamp(shuffled, definitions, now, SEED)
    instead = stamp(shuffled, definitions, now, SEED, replaced=stamped)

    def earlier(table: pa.Table) -> int:
        rows = zip(table.column(key).to_pylist(), table.column(moment).to_pylist(), strict=True)
        # The guide's older records of 2024 keep theirs.
        return sum(when < before[name] for name, when in rows if when.year > 2024)

    assert earlier(alone) > 1000
    assert earlier(instead) == 0


def test_replacing_record_keeps_to_its_hour_and_out_of_the_future(
    stamped: pa.Table, shuffled: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    instead = stamp(shuffled, definitions, now, SEED, replaced=stamped)
    moments = instead.column(definitions.timestamp_column)
    hours = pc.hour(moments).to_pylist()
    other = sum(a != b for a, b in zip(hours, instead.column("transaction_hour").to_pylist(), strict=True))
    # Those of yesterday whose next such hour has not come yet stay where the replaced record was.
    assert other < 0.02 * instead.num_rows
    assert pc.max(moments).as_py() < now


def test_records_that_replace_themselves_keep_their_moments(
    stamped: pa.Table, shuffled: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    moment = definitions.timestamp_column
    once = stamp(shuffled, definitions, now, SEED, replaced=stamped)
    again = stamp(shuffled, definitions, now, SEED, replaced=once)
    assert again.column(moment).equals(once.column(moment))


def test_transaction_that_was_not_there_is_stamped_as_without_others(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    moment = definitions.timestamp_column
    others = stamped.slice(0, 0)
    again = stamp(generate_dataset(definitions), definitions, now, SEED, replaced=others)
    assert again.column(moment).equals(stamped.column(moment))


def test_nothing_ages_out_for_eight_days(stamped: pa.Table, definitions: FeatureSet, now: datetime) -> None:
    assert not out_of_date(stamped, definitions, now)
    assert not out_of_date(stamped, definitions, now + timedelta(days=8))
    assert out_of_date(stamped, definitions, now + timedelta(days=10))


def test_records_in_the_future_are_out_of_date(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    assert out_of_date(stamped, definitions, now - timedelta(days=5))


@pytest.mark.parametrize(
    "ttl", [timedelta(hours=1), timedelta(days=1), timedelta(days=5), timedelta(days=20)]
)
def test_short_ttl_is_kept_within_and_new_moments_are_never_out_of_date(
    definitions: FeatureSet, now: datetime, ttl: timedelta
) -> None:
    short = replace(definitions, ttl=ttl)
    for moment in (now.replace(hour=0, minute=0), now.replace(hour=23, minute=59)):
        table = stamp(generate_dataset(short), short, moment, SEED)
        assert not out_of_date(table, short, moment)
        oldest = min(current(table, short).to_pylist())
        assert moment - oldest <= max(ttl, timedelta(days=2))


def test_long_ttl_does_not_keep_what_the_first_materialization_leaves_out(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    for ttl in (None, timedelta(days=365)):
        assert out_of_date(stamped, replace(definitions, ttl=ttl), now + timedelta(days=10))


def test_older_records_keep_their_moments_when_the_current_ones_are_made_anew(
    stamped: pa.Table, definitions: FeatureSet, now: datetime
) -> None:
    later = now + timedelta(days=40)
    again = stamp(without_current(stamped, definitions), definitions, later, SEED)
    before, after = (table.column(definitions.timestamp_column).to_pylist() for table in (stamped, again))
    assert after[-3:] == before[-3:]
    assert {new - old for new, old in zip(after[:-3], before[:-3], strict=True)} == {timedelta(days=40)}


def test_without_a_payments_hour_the_hours_are_spread(definitions: FeatureSet, now: datetime) -> None:
    table = generate_dataset(definitions).drop_columns(["transaction_hour"])
    moments = current(stamp(table, definitions, now, SEED), definitions)
    assert set(pc.hour(moments).to_pylist()) == set(range(24))
    assert max(moments.to_pylist()) < now
