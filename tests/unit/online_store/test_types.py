from datetime import datetime

import pytest
from feast.protos.feast.types.Value_pb2 import Int64List, StringList, Value
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Invalid, String, UnixTimestamp

from poc.online_store.errors import UnsupportedType, ValueOutOfRange, WrongValueType
from poc.online_store.types import MAX_SECONDS, MIN_SECONDS, NULL_SECONDS, column_type, key_type


@pytest.mark.parametrize(
    ("dtype", "cql"),
    [
        (Bytes, "blob"),
        (String, "text"),
        (Int32, "int"),
        (Int64, "bigint"),
        (Float64, "double"),
        (Float32, "float"),
        (Bool, "boolean"),
        (UnixTimestamp, "timestamp"),
        (Array(Int64), "frozen<list<bigint>>"),
        (Array(UnixTimestamp), "frozen<list<timestamp>>"),
    ],
)
def test_type_is_kept_in_the_column_a_person_expects(dtype: object, cql: str) -> None:
    assert column_type("x", dtype).cql == cql


def test_unknown_type_is_refused_with_the_fields_name() -> None:
    with pytest.raises(UnsupportedType, match="'odd'"):
        column_type("odd", Invalid)


def test_list_is_refused_as_join_key() -> None:
    with pytest.raises(UnsupportedType, match="cannot be a join key"):
        key_type("ids", Array(String))


@pytest.mark.parametrize("value", [Value(), Value(null_val=0)])
def test_value_without_content_is_bound_as_null(value: Value) -> None:
    assert column_type("x", Int64).bindable("x", value) is None


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (Int64, Value(int64_val=0)),
        (Bool, Value(bool_val=False)),
        (String, Value(string_val="")),
        (Array(String), Value(string_list_val=StringList())),
    ],
)
def test_zero_false_and_empty_are_values_not_nulls(dtype: object, value: Value) -> None:
    kind = column_type("x", dtype)
    bound = kind.bindable("x", value)
    assert bound is not None
    assert kind.decoder()(bound) == value


def test_value_of_another_type_is_refused_by_name() -> None:
    with pytest.raises(WrongValueType, match="'amount' is declared Float64, but the value is int64_val"):
        column_type("amount", Float64).bindable("amount", Value(int64_val=1))


def test_missing_time_is_bound_as_null() -> None:
    assert column_type("at", UnixTimestamp).bindable("at", Value(unix_timestamp_val=NULL_SECONDS)) is None


@pytest.mark.parametrize("seconds", [MIN_SECONDS - 1, MAX_SECONDS + 1])
def test_time_that_python_cannot_read_again_is_refused_with_the_years_that_it_can(seconds: int) -> None:
    said = f"'at'.* {seconds}.*seconds since 1970 are outside the years 1 to 9999"
    with pytest.raises(ValueOutOfRange, match=said):
        column_type("at", UnixTimestamp).bindable("at", Value(unix_timestamp_val=seconds))


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (MIN_SECONDS, datetime(1, 1, 1)),  # noqa: DTZ001 - as the drivers bind it.
        (-1, datetime(1969, 12, 31, 23, 59, 59)),  # noqa: DTZ001
        (1_714_996_800, datetime(2024, 5, 6, 12)),  # noqa: DTZ001
        (MAX_SECONDS, datetime(9999, 12, 31, 23, 59, 59)),  # noqa: DTZ001
    ],
)
def test_time_is_bound_as_its_moment_in_utc(seconds: int, moment: datetime) -> None:
    value = Value(unix_timestamp_val=seconds)
    assert column_type("at", UnixTimestamp).bindable("at", value) == moment


def test_missing_time_in_a_list_is_refused_because_cassandra_lists_hold_no_nulls() -> None:
    value = Value(unix_timestamp_list_val=Int64List(val=[0, NULL_SECONDS]))
    with pytest.raises(ValueOutOfRange):
        column_type("at", Array(UnixTimestamp)).bindable("at", value)


def test_time_of_a_list_that_no_client_could_read_is_named_with_its_field() -> None:
    kind = column_type("visits", Array(UnixTimestamp))
    with pytest.raises(ValueOutOfRange, match=f"'visits': {MAX_SECONDS + 1} seconds since 1970 are outside"):
        kind.bindable("visits", Value(unix_timestamp_list_val=Int64List(val=[0, MAX_SECONDS + 1])))
