from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.types import Array, Float32, Float64, Int64, String

from poc.dataset.stored import latest_rows, newest_event
from poc.definitions import Feature, FeatureSet, JoinKey, ServedFeatures
from poc.errors import ColumnsMissing, DatasetNotPrepared
from poc.materialization.offline import (
    IntervalRows,
    count_in_interval,
    interval_fingerprint,
    keys_in_interval,
)
from poc.online_store.errors import ValueOutOfRange, WrongValueType

DAY = datetime(2026, 11, 1, tzinfo=timezone.utc)
NEXT_DAY = DAY + timedelta(days=1)
PARTS = Array(Float64)


@pytest.fixture
def view(definitions: ServedFeatures) -> FeatureSet:
    return definitions.feature_sets[0]


@pytest.fixture
def two_features(view: FeatureSet, tmp_path: Path) -> FeatureSet:
    """The view with two features, over a Parquet that `write` makes."""
    return replace(view, features=view.features[:2], source_path=tmp_path / "offline.parquet")


def write(definitions: FeatureSet, rows: list[tuple[str, float, int, datetime, datetime]]) -> None:
    names = [
        *definitions.key_names,
        *definitions.names,
        definitions.timestamp_column,
        definitions.created_timestamp_column,
    ]
    columns = list(zip(*rows, strict=True))
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), definitions.source_path)


def without_keys(feature: Feature, folder: Path) -> FeatureSet:
    """A view of one feature and no join keys, over a Parquet in `folder`."""
    return FeatureSet(
        view="totals",
        join_keys=(),
        features=(feature,),
        ttl=None,
        source_path=folder / "totals.parquet",
        timestamp_column="at",
        created_timestamp_column=None,
    )


def latest(definitions: FeatureSet, batch_rows: int = 1000) -> list[tuple[object, ...]]:
    source = IntervalRows(definitions, DAY, NEXT_DAY)
    found = [tuple(row.values()) for batch in source.batches(batch_rows) for row in batch.to_pylist()]
    assert len(found) == source.num_rows
    return sorted(found)


def test_latest_row_of_each_transaction_counts(two_features: FeatureSet) -> None:
    noon = DAY + timedelta(hours=12)
    write(two_features, [("a", 1.0, 1, noon, noon), ("b", 2.0, 2, DAY, DAY), ("a", 3.0, 3, DAY, DAY)])
    assert latest(two_features) == [
        ("a", 1.0, 1, noon),
        ("b", 2.0, 2, DAY),
    ]


def test_of_equal_event_times_the_one_created_last_counts(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, NEXT_DAY), ("a", 2.0, 2, DAY, DAY)])
    assert latest(two_features) == [("a", 1.0, 1, DAY)]


def test_end_is_exclusive_and_begin_is_not(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY), ("b", 2.0, 2, NEXT_DAY, NEXT_DAY)])
    assert [row[0] for row in latest(two_features)] == ["a"]
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


def test_fingerprint_tells_the_same_values_under_another_name_apart(two_features: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY)])
    first, second = two_features.features
    renamed = replace(two_features, features=(replace(first, name="another"), second))
    before = interval_fingerprint(two_features, DAY, NEXT_DAY)
    write(renamed, [("a", 1.0, 1, DAY, DAY)])
    assert interval_fingerprint(renamed, DAY, NEXT_DAY) != before


def test_fingerprint_counts_the_rows_of_every_batch(two_features: FeatureSet) -> None:
    rows = [(f"t{number}", float(number), number, DAY, DAY) for number in range(300_000)]
    write(two_features, rows)
    counted, total, columns = interval_fingerprint(two_features, DAY, NEXT_DAY).split("-")
    assert (counted, len(total), len(columns)) == ("300000", 16, 16)


def test_fingerprint_does_not_depend_on_how_rows_are_cut_into_files(two_features: FeatureSet) -> None:
    rows = [(f"t{number}", float(number), number, DAY, DAY) for number in range(10)]
    write(two_features, rows)
    whole = interval_fingerprint(two_features, DAY, NEXT_DAY)
    folder = two_features.source_path.with_name("parts")
    folder.mkdir()
    for number, part in enumerate((rows[:3], rows[3:])):
        write(replace(two_features, source_path=folder / f"{number}.parquet"), part)
    parts = replace(two_features, source_path=folder)
    assert interval_fingerprint(parts, DAY, NEXT_DAY) == whole


def test_fingerprint_sees_what_is_inside_a_list(tmp_path: Path) -> None:
    view = without_keys(Feature("parts", PARTS, "", {}), tmp_path)

    def summary(parts: list[float | None]) -> str:
        pq.write_table(pa.table({"parts": [parts], "at": [DAY]}), view.source_path)
        return interval_fingerprint(view, DAY, NEXT_DAY)

    assert summary([1.5, None]) == summary([1.5, None])
    assert len({summary([1.5, None]), summary([1.5]), summary([2.5, None])}) == 3


def test_view_without_join_keys_has_one_entity_where_it_has_rows(tmp_path: Path) -> None:
    view = without_keys(Feature("total", Int64, "", {}), tmp_path)
    pq.write_table(pa.table({"total": [1, 2], "at": [DAY, DAY]}), view.source_path)
    assert keys_in_interval(view, DAY, NEXT_DAY, 5) == [()]
    assert keys_in_interval(view, NEXT_DAY, NEXT_DAY + timedelta(days=1), 5) == []


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


def test_missing_column_is_named(two_features: FeatureSet, view: FeatureSet) -> None:
    write(two_features, [("a", 1.0, 1, DAY, DAY)])
    more = replace(two_features, features=view.features[:3])
    with pytest.raises(ColumnsMissing, match=view.features[2].name):
        interval_fingerprint(more, DAY, NEXT_DAY)


def test_size_of_batches_changes_no_row(two_features: FeatureSet) -> None:
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
    assert latest(two_features, batch_rows=1) == [("a", 1.0, 1, noon), ("b", 2.0, 2, DAY)]
    assert latest(two_features) == latest(two_features, batch_rows=1)


def test_rows_come_under_the_declared_names_and_types(tmp_path: Path) -> None:
    definitions = FeatureSet(
        view="cards",
        join_keys=(JoinKey("card_id", Int64), JoinKey("merchant", String)),
        features=tuple(Feature(name, dtype, "", {}) for name, dtype in (("mean", Float32), ("parts", PARTS))),
        ttl=None,
        source_path=tmp_path / "cards.parquet",
        timestamp_column="at",
        created_timestamp_column=None,
        source_columns={"card_id": "card", "mean": "average"},
    )
    columns = {
        "card": pa.array([7, 7], pa.int32()),
        "merchant": ["m", "m"],
        "average": [0.1, 0.2],
        "parts": [[1.5], [2.5, None]],
        "at": pa.array([DAY, DAY + timedelta(hours=1)], pa.timestamp("ns")),
    }
    pq.write_table(pa.table(columns), definitions.source_path)
    [batch] = IntervalRows(definitions, DAY, NEXT_DAY).batches(10)
    assert batch.schema.names == ["card_id", "merchant", "mean", "parts", "at"]
    assert batch.schema.field("mean").type == pa.float32()
    assert batch.column("card_id").to_pylist() == [7]
    assert batch.column("at").to_pylist() == [DAY + timedelta(hours=1)]
    assert keys_in_interval(definitions, DAY, NEXT_DAY, 5) == [(7, "m")]
    assert interval_fingerprint(definitions, DAY, NEXT_DAY).startswith("2-")


def write_days(folder: Path, *numbers: pa.Array) -> FeatureSet:
    """Write a file a day, each with one row of key 1, and return the view over them: `n`, declared Int64."""
    folder.mkdir()
    for day, number in enumerate(numbers):
        at = pa.array([DAY + timedelta(hours=day)], pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"id": [f"{day}"], "n": number, "at": at}), folder / f"{day}.parquet")
    view = replace(without_keys(Feature("n", Int64, "", {}), folder), source_path=folder)
    return replace(view, join_keys=(JoinKey("id", String),))


def test_integers_are_read_as_declared_where_another_file_has_floats(tmp_path: Path) -> None:
    view = write_days(tmp_path / "days", pa.array([3]), pa.array([4.0]), pa.array([None], pa.float64()))
    assert {row[:2] for row in latest(view)} == {("0", 3), ("1", 4), ("2", None)}
    assert {key: row.values["n"] for key, row in latest_rows(view).items()} == {
        ("0",): 3,
        ("1",): 4,
        ("2",): None,
    }
    assert sorted(keys_in_interval(view, DAY, NEXT_DAY, 9)) == [("0",), ("1",), ("2",)]
    assert interval_fingerprint(view, DAY, NEXT_DAY).startswith("3-")


def test_text_in_one_file_and_numbers_in_another_are_refused(tmp_path: Path) -> None:
    view = write_days(tmp_path / "days", pa.array(["3"]), pa.array([4]))
    for read in (latest, latest_rows):
        with pytest.raises(
            WrongValueType, match=r"'n' is declared string in .*0\.parquet, but .* int64 in .*1\."
        ):
            read(view)


@pytest.mark.parametrize(
    "read",
    [
        latest,
        latest_rows,
        lambda view: interval_fingerprint(view, DAY, NEXT_DAY),
        lambda view: keys_in_interval(view, DAY, NEXT_DAY, 9),
    ],
    ids=["latest", "latest_rows", "fingerprint", "keys"],
)
def test_integer_that_no_float_of_another_file_equals_is_refused(
    tmp_path: Path, read: Callable[[FeatureSet], object]
) -> None:
    view = write_days(tmp_path / "days", pa.array([2**53 + 1]), pa.array([4.0]))
    with pytest.raises(ValueOutOfRange, match=r"'n'.*9007199254740993.*0\.parquet does not fit double"):
        read(view)
