"""What the errors say that put their sentence together: with the value, and the command that helps."""

from poc.errors import RegistryUnreadable
from poc.online_store.errors import (
    FeaturesNotApplied,
    MissingColumns,
    NotAcknowledged,
    PocError,
    TypeChanged,
    UnsupportedType,
)


def test_command_that_writes_a_view_anew_can_be_typed_whatever_the_view_is_called() -> None:
    command = "python scripts/feast_materialize.py --full --view 'my view'"
    assert TypeChanged("my view", "t", "a", "int", "text").way_out == f"Write every value anew: {command}"


def test_what_the_registry_lacks_is_a_feature_service_unless_it_is_a_view() -> None:
    assert FeaturesNotApplied("a").what == "The feature registry has no feature service 'a'"
    assert FeaturesNotApplied("a", "feature view").what == "The feature registry has no feature view 'a'"


def test_columns_that_a_source_lacks_are_named_with_those_that_it_has() -> None:
    error = MissingColumns("x.parquet", ["a", "b"], ["c", "d"])
    assert error.what == "x.parquet has no column a, b (it has: c, d)"


def test_type_that_cannot_be_kept_has_its_own_way_out_where_there_is_one() -> None:
    assert UnsupportedType("a", "Odd", "is odd").what == "Field 'a': Odd is odd"
    assert UnsupportedType("a", "Odd", "is odd").way_out == UnsupportedType.way_out
    assert UnsupportedType("a", "Odd", "is odd", way_out="Even it.").way_out == "Even it."


def test_error_that_may_pass_is_told_from_one_that_will_not() -> None:
    for passes in (True, False):
        assert NotAcknowledged(1, 2, ValueError("bad"), passes).worth_repeating is passes


def test_no_error_shows_the_user_and_password_of_an_address() -> None:
    error = PocError("No postgres://me:hidden@store/a, nor s3://bucket/b and me@home", "Correct it.")
    assert error.what == "No postgres://store/a, nor s3://bucket/b and me@home"
    assert "hidden" not in str(error)


def test_no_way_out_shows_the_user_and_password_of_an_address() -> None:
    error = RegistryUnreadable("postgresql://me:hidden@store/a", "no")
    assert "hidden" not in error.way_out + str(error)
    assert "postgresql://store/a" in error.way_out
