from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.types import Array, Bool, Bytes, FeastType, Float64, Int64, String, UnixTimestamp

from poc.dataset.checks import describe_rows, find_problems
from poc.dataset.columns import LABEL, TIME, arrow_type
from poc.dataset.generate import generate_dataset, generate_records
from poc.dataset.prepare import check_source
from poc.dataset.stored import latest_rows
from poc.definitions import FeatureSet
from poc.errors import DatasetRefused

ID_AND_TIME = ("transaction_id", "timestamp")
TIMES = ("timestamp", "created_timestamp")


@pytest.fixture
def problems(definitions: FeatureSet) -> Callable[..., list[str]]:
    """Check five good records of which some values of one column are replaced."""

    def call(
        column: str,
        replaced: dict[int, Any],
        *,
        as_found: Any = None,
        unique: Sequence[str] = ("transaction_id",),
    ) -> list[str]:
        good = pa.Table.from_pandas(
            generate_records(definitions, ids=["a", "b", "c", "d", "e"]), preserve_index=False
        )
        values = good.column(column).to_pylist()
        for row, value in replaced.items():
            values[row] = value
        place = good.column_names.index(column)
        table = good.set_column(place, column, pa.array(values, good.schema.field(column).type))
        original = table
        if as_found is not None:
            found = [as_found if row in replaced else str(value) for row, value in enumerate(values)]
            original = table.set_column(place, column, pa.array(found))
        return find_problems(table, original, definitions, lambda row: f"line {row + 2}", unique=unique)

    return call


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("amount", -0.01, "amount: below 0 in 1 row (line 3: -0.01)"),
        ("amount", float("inf"), "amount: infinite in 1 row (line 3: inf)"),
        ("amount", float("nan"), "amount: not a number in 1 row (line 3: nan)"),
        ("amount", None, "amount: missing in 1 row (line 3)"),
        ("transaction_hour", 24, "transaction_hour: above 23 in 1 row (line 3: 24)"),
        (
            "merchant_category",
            "Toys",
            "merchant_category: none of Clothing, Electronics, Food, Grocery, Travel"
            " in 1 row (line 3: 'Toys')",
        ),
        (LABEL, 2, "is_fraud: neither 0 nor 1 in 1 row (line 3: 2)"),
        (LABEL, None, "is_fraud: missing in 1 row (line 3)"),
        ("transaction_id", None, "transaction_id: missing in 1 row (line 3)"),
    ],
)
def test_broken_rule_is_named_with_column_line_and_value(
    problems: Callable[..., list[str]], column: str, value: object, named: str
) -> None:
    assert problems(column, {1: value}) == [named]


@pytest.mark.parametrize(
    ("column", "found", "named"),
    [
        ("amount", "abc", "amount: not a number in 1 row (line 2: 'abc')"),
        (
            "transaction_hour",
            "14.5",
            "transaction_hour: not a whole number of 64 bits in 1 row (line 2: '14.5')",
        ),
        ("amount", "  ", "amount: missing in 1 row (line 2)"),
    ],
)
def test_value_that_has_no_meaning_is_shown_as_it_was_found(
    problems: Callable[..., list[str]], column: str, found: str, named: str
) -> None:
    assert problems(column, {0: None}, as_found=found) == [named]


def test_values_within_limits_are_no_problem(problems: Callable[..., list[str]]) -> None:
    assert problems("transaction_hour", {0: 0, 1: 23}) == []
    assert problems("amount", {0: 0.0}) == []


def test_repeated_ids_are_named_where_an_id_stands_once(problems: Callable[..., list[str]]) -> None:
    repeated = ["transaction_id: repeated in 2 rows (line 2: 'a', line 5: 'a')"]
    assert problems("transaction_id", {3: "a"}) == repeated
    assert problems("transaction_id", {3: "a"}, unique=()) == []


def test_only_the_first_rows_are_shown_and_all_are_counted(problems: Callable[..., list[str]]) -> None:
    (problem,) = problems("amount", dict.fromkeys(range(5), -1.0))
    assert problem == "amount: below 0 in 5 rows (line 2: -1.0, line 3: -1.0, line 4: -1.0, ...)"


def test_long_values_are_cut() -> None:
    text = describe_rows([0], lambda row: f"row {row}", pa.chunked_array([["x" * 200]]))
    assert text == f"1 row (row 0: '{'x' * 39}...)"


def test_generated_records_hold(definitions: FeatureSet) -> None:
    table = generate_dataset(definitions)
    assert find_problems(table, table, definitions, str, unique=ID_AND_TIME, optional=TIMES) == []


def test_same_id_at_the_same_moment_is_named(definitions: FeatureSet) -> None:
    table = generate_dataset(definitions)
    twice = pa.concat_tables([table, table.slice(table.num_rows - 1)])
    found = find_problems(
        twice, twice, definitions, lambda row: f"row {row}", unique=ID_AND_TIME, optional=TIMES
    )
    assert found == [
        "transaction_id: repeated at the same time in 2 rows (row 9999: '11111', row 10000: '11111')"
    ]


def test_times_may_be_missing_only_where_we_make_them(definitions: FeatureSet) -> None:
    table = generate_dataset(definitions).slice(9_994)
    assert find_problems(table, table, definitions, lambda row: f"row {row}", unique=ID_AND_TIME) == [
        "timestamp: missing in 3 rows (row 0, row 1, row 2)"
    ]


@pytest.mark.parametrize("dtype", [Array(Float64), Int64, String], ids=str)
def test_every_type_can_be_missing(declare: Callable[..., FeatureSet], dtype: object) -> None:
    definitions = declare("new_feature", dtype)
    table = pa.Table.from_pandas(generate_records(definitions, ids=["a", "b"]), preserve_index=False)
    kind = arrow_type(next(item for item in definitions.features if item.name == "new_feature"))
    place = table.column_names.index("new_feature")
    table = table.set_column(place, "new_feature", pa.nulls(2, kind))
    assert find_problems(table, table, definitions, lambda row: f"row {row}") == [
        "new_feature: missing in 2 rows (row 0, row 1)"
    ]


def test_label_that_a_view_declares_as_a_feature_may_be_text(
    declare: Callable[..., FeatureSet], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    definitions = replace(declare(LABEL, String), source_path=path, created_timestamp_column=None)
    table = generate_records(definitions, ids=["a", "b"]).assign(is_fraud=["0", "1"])
    table[definitions.timestamp_column] = datetime(2026, 11, 1, tzinfo=timezone.utc)
    table.to_parquet(path)
    assert check_source(definitions).records == 2


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (Float64, ["0.5", "1"]),
        (UnixTimestamp, ["2026-01-02T03:04:05", "2026-01-02T03:04:05"]),
        (Bytes, ["a", "b"]),
        (Bool, ["true", "false"]),
        (Array(String), [["a", None], ["b"]]),
        (Array(Int64), [["1"], ["2"]]),
    ],
    ids=str,
)
def test_file_that_is_read_as_it_is_is_held_to_what_materialization_takes(
    declare: Callable[..., FeatureSet], tmp_path: Path, dtype: FeastType, values: list[Any]
) -> None:
    path = tmp_path / "x.parquet"
    definitions = replace(declare("new_feature", dtype), source_path=path, created_timestamp_column=None)
    table = pa.Table.from_pandas(generate_records(definitions, ids=["a", "b"]), preserve_index=False)
    table = table.set_column(table.column_names.index("new_feature"), "new_feature", pa.array(values))
    moments = pa.array([datetime(2026, 11, 1, tzinfo=timezone.utc)] * 2, TIME)
    pq.write_table(table.append_column("at", moments), path)
    with pytest.raises(DatasetRefused, match="'new_feature' is declared"):
        check_source(replace(definitions, timestamp_column="at"))


def test_times_that_a_file_counts_in_seconds_are_times_as_feast_reads_them(
    declare: Callable[..., FeatureSet], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    definitions = replace(declare("opened", UnixTimestamp), source_path=path, created_timestamp_column=None)
    definitions = replace(definitions, timestamp_column="at")
    moment = datetime(2026, 11, 1, tzinfo=timezone.utc)
    records = generate_records(definitions, ids=["a", "b"]).assign(opened=[1_700_000_000, -1], at=moment)
    records.to_parquet(path)
    assert check_source(definitions).records == 2
    read = latest_rows(definitions, [("a",), ("b",)])
    assert [read[key].values["opened"].year for key in [("a",), ("b",)]] == [2023, 1969]


def test_limits_of_a_feature_are_none_of_the_label(declare: Callable[..., FeatureSet]) -> None:
    definitions = declare(LABEL, String, values="0,1")
    table = generate_records(definitions, ids=["a", "b"]).assign(is_fraud=[0, 1])
    good = pa.Table.from_pandas(table, preserve_index=False)
    assert find_problems(good, good, definitions, lambda row: f"row {row}") == []


def test_limits_of_a_feature_are_none_of_a_time(declare: Callable[..., FeatureSet]) -> None:
    definitions = replace(declare("created_timestamp", Int64, min="0"), created_timestamp_column=None)
    table = pa.Table.from_pandas(generate_records(definitions, ids=["a", "b"]), preserve_index=False)
    place = table.column_names.index("created_timestamp")
    table = table.set_column(place, "created_timestamp", pa.nulls(2, TIME))
    assert find_problems(table, table, definitions, lambda row: f"row {row}") == [
        "created_timestamp: missing in 2 rows (row 0, row 1)"
    ]
