from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poc.definitions import FeatureSet
from poc.errors import ColumnsMissing, DatasetNotPrepared
from poc.materialization.offline import (
    count_in_interval,
    interval_fingerprint,
    latest_in_interval,
    latest_source,
    newest_event,
)

DAY = datetime(2026, 11, 1, tzinfo=timezone.utc)
NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture
def two_features(definitions: FeatureSet, tmp_path: Path) -> FeatureSet:
    """The view with two features, over a Parquet that `write` makes."""
    return replace(definitions, features=definitions.features[:2], source_path=tmp_path / "offline.parquet")


def write(definitions: FeatureSet, rows: list[tuple[str, float, int, datetime, datetime]]) -> None:
    names = [
        definitions.join_key,
        *definitions.names,
        definitions.timestamp_column,
        definitions.created_timestamp_column,
    ]
    columns = list(zip(*rows, strict=True))
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), definitions.source_path)


def test_latest_row_of_each_transaction_counts(two_features: FeatureSet) -> None:
    noon = DAY + timedelta(hours=12)
    write(two_features, [("a", 1.0, 1, noon, noon), ("b", 2.0, 2, DAY, DAY), ("a", 3.0, 3, DAY, DAY)])
    assert sorted(latest_in_interval(two_features, DAY, NEXT_DAY)) == [
        ("a", 1.0, 1, noon),
        ("b", 2.0, 2, DAY),
    ]


def test_of_equal_event_times_the_one_created_last_counts(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, NEXT_DAY), ("a", 2.0, 2, DAY, DAY)])
    assert list(latest_in_interval(two_features, DAY, NEXT_DAY)) == [("a", 1.0, 1, DAY)]


def test_end_is_exclusive_and_begin_is_not(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY), ("b", 2.0, 2, NEXT_DAY, NEXT_DAY)])
    assert [row[0] for row in latest_in_interval(two_features, DAY, NEXT_DAY)] == ["a"]
    assert count_in_interval(two_features, DAY, NEXT_DAY) == 1


def test_fingerprint_does_not_depend_on_the_order_of_rows(two_features: FeatureSet) -> None:
    rows = [("a", 1.0, 1, DAY, DAY), ("b", 2.0, 2, DAY, DAY)]
    write(two_features, rows)
    before = interval_fingerprint(two_features, DAY, NEXT_DAY)
    write(two_features, rows[::-1])
    assert interval_fingerprint(two_features, DAY, NEXT_DAY) == before


@pytest.mark.parametrize(
    "changed", [("a", 1.5, 1, DAY, DAY), ("a", 1.0, 1, DAY, NEXT_DAY), ("c", 1.0, 1, DAY, DAY)]
)
def test_fingerprint_changes_with_any_value(
    two_features: FeatureSet, changed: tuple[str, float, int, datetime, datetime]
) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY)])
    before = interval_fingerprint(two_features, DAY, NEXT_DAY)
    write(two_features, [changed])
    assert interval_fingerprint(two_features, DAY, NEXT_DAY) != before


def test_fingerprint_changes_with_a_declared_feature(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY)])
    fewer = replace(two_features, features=two_features.features[:1])
    assert interval_fingerprint(fewer, DAY, NEXT_DAY) != interval_fingerprint(two_features, DAY, NEXT_DAY)


def test_fingerprint_leaves_out_rows_outside_the_interval(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY)])
    before = interval_fingerprint(two_features, DAY, NEXT_DAY)
    write(two_features, [("a", 1.0, 1, DAY, DAY), ("b", 2.0, 2, NEXT_DAY, NEXT_DAY)])
    assert interval_fingerprint(two_features, DAY, NEXT_DAY) == before


def test_newest_event_is_utc(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY), ("b", 2.0, 2, NEXT_DAY, NEXT_DAY)])
    assert newest_event(two_features) == NEXT_DAY


def test_newest_event_before_a_moment_leaves_out_that_moment(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY), ("b", 2.0, 2, NEXT_DAY, NEXT_DAY)])
    assert newest_event(two_features, before=NEXT_DAY) == DAY
    assert newest_event(two_features, before=DAY) is None


def test_missing_parquet_says_how_to_make_it(two_features: FeatureSet) -> None:
    with pytest.raises(DatasetNotPrepared, match="feast_setup"):
        interval_fingerprint(two_features, DAY, NEXT_DAY)


def test_missing_column_is_named(two_features: FeatureSet, definitions: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY)])
    more = replace(two_features, features=definitions.features[:3])
    with pytest.raises(ColumnsMissing, match=definitions.features[2].name):
        interval_fingerprint(more, DAY, NEXT_DAY)


def test_batches_hold_the_same_rows_as_the_iterator(two_features: FeatureSet) -> None:
    noon = DAY + timedelta(hours=12)
    write(
        two_features,
        [
            ("a", 1.0, 1, noon, noon),
            ("b", 2.0, 2, DAY, NEXT_DAY),
            ("a", 3.0, 3, DAY, DAY),
            ("b", 4.0, 4, DAY, DAY),
            ("c", 5.0, 5, NEXT_DAY, NEXT_DAY),
        ],
    )
    source = latest_source(two_features, DAY, NEXT_DAY)
    wanted = [two_features.join_key, *two_features.names, two_features.timestamp_column]
    rows = [tuple(row[name] for name in wanted) for batch in source.batches(1) for row in batch.to_pylist()]
    assert source.num_rows == 2
    assert sorted(rows) == sorted(latest_in_interval(two_features, DAY, NEXT_DAY))
