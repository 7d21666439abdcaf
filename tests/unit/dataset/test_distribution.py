from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poc.dataset.columns import TIME
from poc.dataset.distribution import Distribution, Ranges, Values, distribution


def test_number_with_many_values_gets_ten_ranges_of_equal_size() -> None:
    found = distribution(pa.array(range(1000), pa.int64()))
    assert found == Distribution(Ranges((99, 199, 299, 399, 499, 599, 699, 799, 899)), (*[100] * 10, 0))


def test_number_with_few_values_is_counted_by_value() -> None:
    found = distribution(pa.array([3.5, 1.0, 1.0], pa.float64()))
    assert found == Distribution(Values((1.0, 3.5)), (2, 1, 0, 0))


def test_equal_values_stay_in_one_range() -> None:
    found = distribution(pa.array([*[0.0] * 900, *np.arange(1, 101)]))
    assert found is not None
    assert found.bins.labels()[0] == "up to 0"
    assert found.counts[0] == 900


def test_rare_value_has_no_bin_of_its_own() -> None:
    found = distribution(pa.array([*["a"] * 995, *["b"] * 5]))
    assert found == Distribution(Values(("a",)), (995, 5, 0))


def test_bins_of_rare_values_only_do_not_tell_them_apart() -> None:
    found = distribution(pa.array([f"name {number}" for number in range(200)]))
    assert found == Distribution(Values(()), (200, 0))
    assert len(found.bins) == 2 < len(Values(("a",))) == len(Ranges((1.0,)))


def test_nulls_and_nans_are_one_bin() -> None:
    found = distribution(pa.array([1.0, None, float("nan"), 1.0]))
    assert found == Distribution(Values((1.0,)), (2, 0, 2))


def test_flags_are_counted_by_value() -> None:
    assert distribution(pa.array([True, False, True])) == Distribution(Values((False, True)), (1, 2, 0, 0))


def test_times_are_cut_like_numbers() -> None:
    start = datetime(2026, 11, 1, tzinfo=timezone.utc)
    column = pa.array([start + timedelta(hours=hour) for hour in range(100)], TIME)
    found = distribution(column)
    assert found is not None
    assert found.counts == (*[10] * 10, 0)
    assert found.bins.count(pa.array([start, None], TIME)).tolist() == [1, *[0] * 9, 1]


@pytest.mark.parametrize(
    "column",
    [pa.array([b"x"], pa.binary()), pa.array([[1.0]], pa.list_(pa.float64())), pa.nulls(3, pa.float64())],
)
def test_what_has_no_distribution_gets_none(column: pa.Array) -> None:
    assert distribution(column) is None


def test_batch_is_counted_in_the_bins_that_were_chosen_before() -> None:
    bins = Values(("a", "b"))
    assert bins.count(pa.array(["b", "c", None, "b"])).tolist() == [0, 2, 1, 1]
    assert bins.count(pa.chunked_array([], pa.string())).tolist() == [0, 0, 0, 0]
    assert Ranges((1.0, 2.0)).count(pa.array([1.0, 1.5, 2.0, 9.0])).tolist() == [1, 2, 1, 0]


@given(st.lists(st.one_of(st.none(), st.floats(allow_infinity=False), st.integers(-5, 5).map(float))))
def test_every_value_falls_into_one_bin(values: list[float | None]) -> None:
    found = distribution(pa.array(values, pa.float64()))
    if found is not None:
        assert sum(found.counts) == len(values)
        assert len(found.bins.labels()) == len(found.bins)


def test_counts_that_do_not_fit_the_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bins"):
        Distribution(Values((1,)), (1, 2))
