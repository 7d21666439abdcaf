import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poc.dataset.columns import TIME
from poc.dataset.conversion import convert, convert_ids, convert_times, read_time, utc_times

NOON = datetime(2024, 12, 1, 12, tzinfo=timezone.utc)


def converted(values: list[Any], kind: pa.DataType, binary: bool = False) -> list[Any]:
    column = convert(pa.chunked_array([pa.array(values)]), kind, binary)
    assert column.type == kind
    return column.to_pylist()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["14", " 14 ", "+14", "14.0", "1.4e1"], [14] * 5),
        (["14.5", "x", "", "0x0E", "1_4", "nan", "inf", "9223372036854775808"], [None] * 8),
        ([14.0, 14.5, math.nan, math.inf, 1e19], [14, None, None, None, None]),
        ([Decimal("14.00"), Decimal("14.50")], [14, None]),
        ([True, False], [None, None]),
        (["9007199254740993", "9007199254740993.0", "9.007199254740993e15"], [9007199254740993] * 3),
        (["-9223372036854775808.0", "9223372036854775808.0"], [-(2**63), None]),
        (["14.00000000000000000001", "1e999999999", "1e99999999999999999999", "1e-999999999"], [None] * 4),
    ],
)
def test_whole_numbers(values: list[Any], wanted: list[Any]) -> None:
    assert converted(values, pa.int64()) == wanted


def test_number_beyond_32_bits_is_none_of_32_bits() -> None:
    assert converted([2**31, 2**31 - 1], pa.int32()) == [None, 2**31 - 1]


def test_true_and_false_are_zero_and_one_where_nothing_else_is_allowed() -> None:
    assert converted(["true", "FALSE", "1", "0.0", "yes"], pa.int64(), binary=True) == [1, 0, 1, 0, None]
    assert converted([True, False], pa.int64(), binary=True) == [1, 0]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["1.5", " .5", "1e3", "-2"], [1.5, 0.5, 1000.0, -2.0]),
        (["1,5", "x", "1_0", "0x10", ""], [None] * 5),
        (["inf", "1e400"], [math.inf, math.inf]),
        ([1, 2**53 + 1], [1.0, None]),
        ([Decimal("1.10")], [1.1]),
    ],
)
def test_numbers(values: list[Any], wanted: list[Any]) -> None:
    assert converted(values, pa.float64()) == wanted


def test_flags() -> None:
    assert converted(["true", "0", "False", "2", "x"], pa.bool_()) == [True, False, False, None, None]
    assert converted([1.0, 0.0, 0.5, math.nan], pa.bool_()) == [True, False, None, None]


def test_text() -> None:
    assert converted([1, 2], pa.string()) == ["1", "2"]
    assert converted([1.0, 1.5, 1e17], pa.string()) == ["1", None, None]
    assert converted([True], pa.string()) == [None]


def test_dictionary_and_large_text_become_plain_text() -> None:
    encoded = pa.chunked_array([pa.array(["a", "b", "a"]).dictionary_encode()])
    large = pa.chunked_array([pa.array(["a"], pa.large_string())])
    assert convert(encoded, pa.string()).equals(pa.chunked_array([["a", "b", "a"]]))
    assert convert(large, pa.string()).type == pa.string()


def test_bytes_and_lists() -> None:
    assert converted(["é"], pa.binary()) == ["é".encode()]
    assert converted([[1.0, 2.0], [1.5], None], pa.list_(pa.int64())) == [[1, 2], None, None]
    assert converted(["[1]"], pa.list_(pa.int64())) == [None]


def test_column_of_the_wanted_type_is_given_back_as_it_is() -> None:
    column = pa.chunked_array([[1.0, math.nan]])
    assert convert(column, pa.float64()) is column


def test_ids_keep_leading_zeros_and_lose_spaces() -> None:
    assert convert_ids(pa.chunked_array([["007", " 7 ", "", None]])).to_pylist() == ["007", "7", None, None]


def test_ids_that_are_all_floats_of_whole_numbers_lose_their_point() -> None:
    assert convert_ids(pa.chunked_array([["1.0", "20.0"]])).to_pylist() == ["1", "20"]
    assert convert_ids(pa.chunked_array([[1.0, 20.0]])).to_pylist() == ["1", "20"]


def test_ids_that_only_look_like_floats_here_and_there_are_kept() -> None:
    assert convert_ids(pa.chunked_array([["1.0", "v2"]])).to_pylist() == ["1.0", "v2"]


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_ids_with_a_letter_survive(texts: list[str]) -> None:
    ids = [f"t{text}" for text in texts]
    assert convert_ids(pa.chunked_array([ids])).to_pylist() == ids


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_every_whole_number_survives_being_text(values: list[int]) -> None:
    assert converted([str(value) for value in values], pa.int64()) == values


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_every_number_survives_being_text(values: list[float]) -> None:
    assert converted([repr(value) for value in values], pa.float64()) == values


@pytest.mark.parametrize(
    "column",
    [
        pa.array([NOON.replace(tzinfo=None)]),
        pa.array([NOON.astimezone(timezone(timedelta(hours=-5)))], pa.timestamp("ns", "America/Lima")),
        pa.array(["2024-12-01T12:00:00Z"]),
        pa.array(["2024-12-01 12:00:00"]),
        pa.array(["2024-12-01T13:00:00+01:00"]),
    ],
    ids=lambda column: str(column.type),
)
def test_times_are_utc(column: pa.Array) -> None:
    times = convert_times(pa.chunked_array([column]))
    assert times.type.tz == "UTC"
    assert times.to_pylist() == [NOON]


def test_dates_are_midnight_utc() -> None:
    assert convert_times(pa.chunked_array([[date(2024, 12, 1)]])).to_pylist() == [NOON.replace(hour=0)]


def test_counts_are_seconds_in_a_feature_as_feast_has_it_and_no_event_times() -> None:
    seconds = pa.chunked_array([pa.array([0, -1, 1_700_000_000, None, 10**12])])
    wanted = ["1970-01-01 00:00:00", "1969-12-31 23:59:59", "2023-11-14 22:13:20", None, None]
    assert [value and str(value)[:19] for value in convert(seconds, TIME).to_pylist()] == wanted
    assert convert_times(seconds).null_count == utc_times(seconds).null_count == 5


def test_times_keep_their_precision() -> None:
    nanoseconds = pa.chunked_array([pa.array([1_700_000_000_000_000_001], pa.timestamp("ns"))])
    assert convert_times(nanoseconds).cast(pa.int64()).to_pylist() == [1_700_000_000_000_000_001]


def test_what_is_no_time_is_null() -> None:
    assert convert_times(pa.chunked_array([["soon", "14"]])).to_pylist() == [None, None]
    assert convert_times(pa.chunked_array([[1700000000]])).to_pylist() == [None]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_time_that_leaves_the_calendar_in_utc_is_none(text: str) -> None:
    assert convert_times(pa.chunked_array([[text, "2024-12-01T12:00:00Z"]])).to_pylist() == [None, NOON]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01 10:30", "2026-11-01T10:30:00+00:00"),
        ("2026-11-01T10:30:05Z", "2026-11-01T10:30:05+00:00"),
        ("2026-11-01T10:30:05.5", "2026-11-01T10:30:05.500000+00:00"),
        ("2026-11-01 10:30:05.123456789+01:00", "2026-11-01T10:30:05.123456+01:00"),
        ("2026-11-01T10:30:05,25+0130", "2026-11-01T10:30:05.250000+01:30"),
        ("20261101T103005-05", "2026-11-01T10:30:05-05:00"),
        ("2026-11-01 10:30:05 z", "2026-11-01T10:30:05+00:00"),
    ],
)
def test_times_are_read_alike_on_every_python(text: str, meant: str) -> None:
    assert read_time(text) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-11", "1.11.2026", "11/01/2026", "2026-13-01", "2026-02-30", "2026-11-01T25:00", "now",
     "2026-11-01T10:30+99:00", "2026-11-01x10:30", "2026-11-01 10.30", "2026-11-01 10:30.5", "20261101T10,5"],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    ("text", "meant"), [("1,234.50", 1234.5), ("-1,234,567", -1234567.0), ("1,234", None), ("12,34.5", None)]
)
def test_thousands_are_grouped_where_nothing_else_can_be_meant(text: str, meant: float | None) -> None:
    assert convert(pa.chunked_array([[text]]), pa.float64()).to_pylist() == [meant]
