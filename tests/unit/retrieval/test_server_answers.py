"""Answers as Feast's own server words them, read back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import pytest
from fastapi.encoders import jsonable_encoder
from feast import proto_json
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import BytesList, DoubleList, Int64List, StringList, Value
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp
from google.protobuf import json_format
from google.protobuf.json_format import MessageToDict

from poc.definitions import Feature
from poc.errors import FeaturesOutdated
from poc.online_store.stock_reader import python_value
from poc.retrieval.entities import ViewValues, fitting
from poc.retrieval.feature_server_source import answer_vectors, json_fitting, view_values

KEY = "transaction_id"
THEN = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
PRESENT, NOT_FOUND = FieldStatus.PRESENT, FieldStatus.NOT_FOUND


def answer(ids: list[str], vectors: dict[str, list[tuple[Value, int, datetime | None]]]) -> bytes:
    """Word an answer just as feast/feature_server.py does."""
    made = GetOnlineFeaturesResponse()
    of_key = [(Value(string_val=item), PRESENT, None) for item in ids]
    for name, vector in {KEY: of_key, **vectors}.items():
        made.metadata.feature_names.val.append(name)
        result = made.results.add()
        for value, status, moment in vector:
            result.values.append(value)
            result.statuses.append(status)
            stamp = result.event_timestamps.add()
            if moment is not None:
                stamp.FromDatetime(moment)
    with feasts_json():
        precise = {"float_precision": 18}  # Gone from the newest stubs, which Feast is older than.
        said = MessageToDict(made, preserving_proto_field_name=True, **precise)
    return json.dumps(jsonable_encoder(said)).encode()


@contextmanager
def feasts_json() -> Iterator[None]:
    """Let Protobuf write JSON as it does in Feast's server, which changes it for the whole process."""
    methods = json_format._WKTJSONMETHODS
    before = dict(methods)
    proto_json.patch()
    try:
        yield
    finally:
        methods.clear()
        methods.update(before)


def read(content: bytes, ids: list[str], **features: FeastType) -> list[ViewValues | None]:
    columns = [(name, json_fitting(Feature(name, dtype, "", {}))) for name, dtype in features.items()]
    return view_values(columns, answer_vectors(content, {KEY: ids}), len(ids))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (Float64, Value(double_val=0.1)),
        (Float64, Value(double_val=-0.0)),
        (Float64, Value(double_val=1e308)),
        (Float32, Value(float_val=0.1)),
        (Int64, Value(int64_val=2**63 - 1)),
        (Int32, Value(int32_val=-(2**31))),
        (Bool, Value(bool_val=False)),
        (String, Value(string_val="Café \N{PILE OF POO}")),
        (Bytes, Value(bytes_val=b"as text")),
        (UnixTimestamp, Value(unix_timestamp_val=1_700_000_000)),
        (Float64, Value(int64_val=5)),
        (Int64, Value(double_val=5.0)),
        (String, Value()),
        (Array(Float64), Value(double_list_val=DoubleList(val=[0.5, 1.0]))),
        (Array(Int64), Value(int64_list_val=Int64List(val=[0, 2**63 - 1]))),
        (Array(String), Value(string_list_val=StringList(val=["", "a"]))),
        (Array(Bytes), Value(bytes_list_val=BytesList(val=[b"a"]))),
        (Array(UnixTimestamp), Value(unix_timestamp_list_val=Int64List(val=[0]))),
        (Array(Int64), Value(int64_list_val=Int64List())),
    ],
    ids=str,
)
def test_value_is_what_the_store_holds(dtype: FeastType, value: Value) -> None:
    [(values, moment)] = read(answer(["1"], {"f": [(value, PRESENT, THEN)]}), ["1"], f=dtype)
    stored = python_value(value)
    expected = None if stored is None else fitting(Feature("f", dtype, "", {}))(stored)
    assert values == {"f": expected}
    assert type(values["f"]) is type(expected)
    assert moment == THEN


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (Int64, Value(string_val="5")),
        (Int64, Value(double_val=5.5)),
        (String, Value(int64_val=5)),
        (Bool, Value(int64_val=1)),
        (Int64, Value(bool_val=True)),
        (Array(Float64), Value(double_val=1.0)),
        (Float64, Value(double_list_val=DoubleList(val=[1.0]))),
    ],
    ids=str,
)
def test_value_of_another_type_is_outdated(dtype: FeastType, value: Value) -> None:
    with pytest.raises(FeaturesOutdated, match=r"^f is stored as"):
        read(answer(["1"], {"f": [(value, PRESENT, THEN)]}), ["1"], f=dtype)


def test_absent_row_is_none_and_row_of_nulls_is_known() -> None:
    absent, null = (Value(), NOT_FOUND, None), (Value(), PRESENT, THEN)
    content = answer(["a", "b"], {"f": [absent, null], "g": [absent, null]})
    assert read(content, ["a", "b"], f=Float64, g=String) == [None, ({"f": None, "g": None}, THEN)]


def test_feature_that_was_never_stored_is_left_out_of_a_known_row() -> None:
    content = answer(["a"], {"f": [(Value(), NOT_FOUND, THEN)], "g": [(Value(int64_val=1), PRESENT, THEN)]})
    assert read(content, ["a"], f=Float64, g=Int64) == [({"g": 1}, THEN)]


def test_features_come_in_the_order_asked_for_whatever_the_servers_is() -> None:
    vector = [(Value(int64_val=1), PRESENT, THEN)]
    [(values, _)] = read(answer(["a"], {"h": vector, "g": vector, "f": vector}), ["a"], f=Int64, g=Int64)
    assert list(values) == ["f", "g"]


@pytest.mark.parametrize("digits", [0, 3, 6])
def test_time_is_read_to_the_microsecond(digits: int) -> None:
    moment = THEN.replace(microsecond={0: 0, 3: 678_000, 6: 678_901}[digits])
    [(_, found)] = read(answer(["a"], {"f": [(Value(int64_val=1), PRESENT, moment)]}), ["a"], f=Int64)
    assert found == moment
