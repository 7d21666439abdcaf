from collections.abc import Mapping

import pytest
from feast.types import Bool, Float64, Int32, Int64, Invalid, String

from poc.dataset.columns import Limits, arrow_type, read_limits, read_max_psi
from poc.definitions import Feature
from poc.errors import InvalidDefinitions


def test_bounds_of_a_whole_number_are_whole() -> None:
    assert read_limits(Feature("x", Int64, "", {"min": "0.5", "max": "9.5"})) == Limits(1, 9)


def test_bounds_of_a_number_are_floats() -> None:
    assert read_limits(Feature("x", Float64, "", {"min": "0.1", "max": "1e3"})) == Limits(0.1, 1000.0)


def test_values_are_split_at_commas_and_trimmed() -> None:
    assert read_limits(Feature("x", String, "", {"values": "a, b c,"})) == Limits(values=("a", "b c"))


def test_bound_that_the_type_never_reaches_is_the_types_own() -> None:
    assert read_limits(Feature("x", Int32, "", {"min": "-5e9", "max": "5e9"})) == Limits(-(2**31), 2**31 - 1)


def test_other_tags_limit_nothing() -> None:
    assert read_limits(Feature("x", String, "", {"team": "fraud"})) == Limits()


@pytest.mark.parametrize(
    ("dtype", "tags", "named"),
    [
        (Float64, {"min": "low"}, "min='low'"),
        (Float64, {"max": "nan"}, "max='nan'"),
        (Int64, {"min": "3", "max": "2"}, "min=3 and max=2"),
        (Int64, {"min": "0.2", "max": "0.8"}, "min=0.2 and max=0.8"),
        (Float64, {"max": "1e999"}, "max='1e999'"),
        (Int32, {"min": "5e9"}, "min='5e9'"),
        (Int32, {"max": "-5e9"}, "max='-5e9'"),
        (String, {"min": "1"}, "min='1'"),
        (Bool, {"max": "1"}, "max='1'"),
        (Int64, {"values": "1,2"}, "values='1,2'"),
        (String, {"values": " , "}, "values=' , '"),
    ],
)
def test_unusable_tag_is_named_with_its_feature(dtype: object, tags: Mapping[str, str], named: str) -> None:
    with pytest.raises(InvalidDefinitions, match="feature x: tag") as raised:
        read_limits(Feature("x", dtype, "", tags))
    assert named in raised.value.what


def test_feature_without_a_type_is_refused() -> None:
    with pytest.raises(InvalidDefinitions, match="feature x has the type Invalid"):
        arrow_type(Feature("x", Invalid, "", {}))


def test_greatest_drift_is_read() -> None:
    assert read_max_psi(Feature("x", Float64, "", {"max_psi": "0.25"})) == 0.25
    assert read_max_psi(Feature("x", Float64, "", {})) is None


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "inf", ""])
def test_greatest_drift_that_is_no_number_above_zero_is_refused(text: str) -> None:
    with pytest.raises(InvalidDefinitions, match="feature x: tag max_psi"):
        read_max_psi(Feature("x", Float64, "", {"max_psi": text}))
