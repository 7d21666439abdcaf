"""Stored messages as values of the declared types: what is converted, and what is refused."""

import math
from datetime import datetime, timezone

import pytest
from feast.protos.feast.types.Value_pb2 import DoubleList, Null, StringList, Value
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp

from poc.definitions import Feature
from poc.errors import FeaturesOutdated
from poc.online_store.stock_reader import python_value
from poc.retrieval.entities import fitting

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def read(proto: Value, dtype: FeastType) -> object:
    stored = python_value(proto)
    return None if stored is None else fitting(Feature("amount", dtype, "", {}))(stored)


@pytest.mark.parametrize(
    ("proto", "dtype", "expected"),
    [
        (Value(double_val=0.0), Float64, 0.0),
        (Value(float_val=1.5), Float32, 1.5),
        (Value(int64_val=0), Int64, 0),
        (Value(int32_val=-7), Int32, -7),
        (Value(string_val=""), String, ""),
        (Value(bool_val=False), Bool, False),
        (Value(bytes_val=b""), Bytes, b""),
        (Value(unix_timestamp_val=int(MOMENT.timestamp())), UnixTimestamp, MOMENT),
        (Value(double_list_val=DoubleList(val=[1.0, 2.0])), Array(Float64), [1.0, 2.0]),
        (Value(string_list_val=StringList(val=[])), Array(String), []),
    ],
    ids=lambda item: str(item).strip(),
)
def test_value_of_the_declared_type_is_itself(proto: Value, dtype: FeastType, expected: object) -> None:
    found = read(proto, dtype)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "proto",
    [Value(), Value(null_val=Null.NULL), Value(double_val=math.nan), Value(float_val=math.nan)],
    ids=["unset", "null", "NaN", "NaN in 32 bits"],
)
def test_nothing_known_is_none(proto: Value) -> None:
    assert read(proto, Float64) is None


@pytest.mark.parametrize(
    ("proto", "dtype", "expected"),
    [
        (Value(int64_val=3), Float64, 3.0),
        (Value(int32_val=3), Int64, 3),
        (Value(float_val=1.5), Float64, 1.5),
        (Value(double_val=3.0), Int64, 3),
    ],
    ids=["integer to real", "wider integer", "wider real", "whole real to integer"],
)
def test_value_of_an_earlier_type_is_converted_without_loss(
    proto: Value, dtype: FeastType, expected: object
) -> None:
    found = read(proto, dtype)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("proto", "dtype"),
    [
        (Value(double_val=1.5), Int64),
        (Value(string_val="3"), Int64),
        (Value(int64_val=1), Bool),
        (Value(bool_val=True), Int64),
        (Value(int64_val=3), String),
        (Value(double_list_val=DoubleList(val=[1.0])), Float64),
        (Value(double_val=math.inf), Int64),
    ],
    ids=lambda item: str(item).strip(),
)
def test_value_of_another_type_is_refused_by_name(proto: Value, dtype: FeastType) -> None:
    with pytest.raises(FeaturesOutdated, match=r"amount is stored as \w+ and declared as \w+"):
        read(proto, dtype)
