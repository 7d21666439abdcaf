"""What the stock layout's cells say, read without a message each: never another than Feast's own reading."""

import math
import struct
from typing import Any

import pytest
from feast.protos.feast.types.Value_pb2 import Int64List, Null, Value
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from poc.online_store.stock_reader import python_value, stored_value

INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
MESSAGES = st.one_of(
    st.builds(lambda value: Value(double_val=value), st.floats(allow_nan=False)),
    st.builds(lambda value: Value(float_val=value), st.floats(width=32, allow_nan=False)),
    st.builds(lambda value: Value(int64_val=value), INT64 | st.integers(-2, 300)),
    st.builds(lambda value: Value(int32_val=value), INT32 | st.integers(-2, 300)),
    st.builds(lambda value: Value(string_val=value), st.text() | st.text(min_size=100, max_size=200)),
    st.builds(lambda value: Value(bytes_val=value), st.binary()),
    st.builds(lambda value: Value(bool_val=value), st.booleans()),
    st.builds(lambda value: Value(unix_timestamp_val=value), st.integers(0, 2**37)),
    st.builds(lambda values: Value(int64_list_val=Int64List(val=values)), st.lists(INT64)),
    st.sampled_from([Value(), Value(null_val=Null.NULL)]),
)


@given(MESSAGES)
def test_stored_message_is_read_as_feasts_own_reading_has_it(message: Value) -> None:
    found, expected = stored_value(message.SerializeToString()), python_value(message)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    "plain",
    [
        Value(double_val=0.1),
        Value(float_val=0.5),
        Value(int64_val=127),
        Value(int32_val=0),
        Value(bool_val=True),
        Value(string_val="a"),
        Value(string_val="é" * 63),
        Value(string_val="x" * 127),
    ],
    ids=repr,
)
def test_plain_message_is_read_without_being_made(plain: Value, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poc.online_store.stock_reader._parse", None)
    assert stored_value(plain.SerializeToString()) == python_value(plain)


def test_number_that_is_none_stays_one() -> None:
    assert math.isnan(stored_value(Value(double_val=math.nan).SerializeToString()))


def read(function: Any, content: bytes) -> tuple[str, Any]:
    try:
        value = function(content)
    except (DecodeError, ValueError, OverflowError, OSError):
        return "refused", None
    # A number that is none equals nothing, not even itself.
    return type(value).__name__, struct.pack("<d", value) if type(value) is float else value


@given(
    st.binary(max_size=12)
    | st.builds(
        bytes.__add__, st.sampled_from([b"\x18", b" ", b"\x12", b")", b"5", b"8"]), st.binary(max_size=12)
    )
)
def test_bytes_that_are_no_message_are_refused_as_feast_refuses_them(content: bytes) -> None:
    assert read(stored_value, content) == read(lambda given: python_value(Value.FromString(given)), content)
