"""Answers as Feast's own server words them, read back; and what is no answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from fastapi.encoders import jsonable_encoder
from feast import proto_json
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import BytesList, DoubleList, Int64List, StringList, Value
from google.protobuf import json_format
from google.protobuf.json_format import MessageToDict

from poc.errors import FeaturesOutdated
from poc.retrieval.server_answer import FeaturesLeftOut, UnreadableAnswer, read_answer
from poc.retrieval.values import python_value

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
        said = MessageToDict(made, preserving_proto_field_name=True, float_precision=18)
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("double_val", Value(double_val=0.1)),
        ("double_val", Value(double_val=-0.0)),
        ("double_val", Value(double_val=1e308)),
        ("float_val", Value(float_val=0.1)),
        ("int64_val", Value(int64_val=2**63 - 1)),
        ("int32_val", Value(int32_val=-(2**31))),
        ("bool_val", Value(bool_val=False)),
        ("string_val", Value(string_val="Café \N{PILE OF POO}")),
        ("bytes_val", Value(bytes_val=b"as text")),
        ("unix_timestamp_val", Value(unix_timestamp_val=1_700_000_000)),
        ("double_val", Value(int64_val=5)),
        ("int64_val", Value(double_val=5.0)),
        ("string_val", Value()),
        ("double_list_val", Value(double_list_val=DoubleList(val=[0.5, 1.0]))),
        ("int64_list_val", Value(int64_list_val=Int64List(val=[0, 2**63 - 1]))),
        ("string_list_val", Value(string_list_val=StringList(val=["", "a"]))),
        ("bytes_list_val", Value(bytes_list_val=BytesList(val=[b"a"]))),
        ("unix_timestamp_list_val", Value(unix_timestamp_list_val=Int64List(val=[0]))),
        ("int64_list_val", Value(int64_list_val=Int64List())),
    ],
    ids=str,
)
def test_value_is_what_the_store_holds(field: str, value: Value) -> None:
    [(moment, values)] = read_answer(
        answer(["1"], {"f": [(value, PRESENT, THEN)]}), KEY, ["1"], [("f", field)]
    )
    expected = python_value(value, field, "f")
    assert values == {"f": expected}
    assert type(values["f"]) is type(expected)
    assert moment == THEN


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("int64_val", Value(string_val="5")),
        ("int64_val", Value(double_val=5.5)),
        ("string_val", Value(int64_val=5)),
        ("bool_val", Value(int64_val=1)),
        ("int64_val", Value(bool_val=True)),
        ("double_list_val", Value(double_val=1.0)),
        ("double_val", Value(double_list_val=DoubleList(val=[1.0]))),
    ],
    ids=str,
)
def test_value_of_another_type_is_outdated(field: str, value: Value) -> None:
    with pytest.raises(FeaturesOutdated, match=r"^f is stored as"):
        read_answer(answer(["1"], {"f": [(value, PRESENT, THEN)]}), KEY, ["1"], [("f", field)])


def test_absent_row_is_none_and_row_of_nulls_is_known() -> None:
    absent, null = (Value(), NOT_FOUND, None), (Value(), PRESENT, THEN)
    content = answer(["a", "b"], {"f": [absent, null], "g": [absent, null]})
    fields = [("f", "double_val"), ("g", "string_val")]
    assert read_answer(content, KEY, ["a", "b"], fields) == [None, (THEN, {"f": None, "g": None})]


def test_feature_that_is_not_stored_yet_is_null_in_a_known_row() -> None:
    content = answer(["a"], {"f": [(Value(), NOT_FOUND, THEN)], "g": [(Value(int64_val=1), PRESENT, THEN)]})
    found = read_answer(content, KEY, ["a"], [("f", "double_val"), ("g", "int64_val")])
    assert found == [(THEN, {"f": None, "g": 1})]


def test_features_come_in_the_order_asked_for_whatever_the_servers_is() -> None:
    vector = [(Value(int64_val=1), PRESENT, THEN - timedelta(0))]
    content = answer(["a"], {"h": vector, "g": vector, "f": vector})
    [(_, values)] = read_answer(content, KEY, ["a"], [("f", "int64_val"), ("g", "int64_val")])
    assert list(values) == ["f", "g"]


def test_feature_that_the_server_lacks_is_named() -> None:
    content = answer(["a"], {"f": [(Value(int64_val=1), PRESENT, THEN)]})
    with pytest.raises(FeaturesLeftOut) as caught:
        read_answer(content, KEY, ["a"], [("f", "int64_val"), ("g", "int64_val")])
    assert caught.value.features == ("g",)


RIGHT = json.loads(answer(["a"], {"f": [(Value(int64_val=1), PRESENT, THEN)]}))


def changed(place: int, **vector: object) -> bytes:
    results = [item | vector if number == place else item for number, item in enumerate(RIGHT["results"])]
    return json.dumps(RIGHT | {"results": results}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"null",
        b'{"detail": "x"}',
        b"[" * 100_000,
        json.dumps(RIGHT | {"results": RIGHT["results"][:1]}).encode(),
        json.dumps(RIGHT | {"metadata": {"feature_names": ["f", "g"]}}).encode(),
        changed(0, values=["b"]),
        changed(1, values=[1, 2]),
        changed(1, values=[1, 2], statuses=["PRESENT"] * 2, event_timestamps=["2026-01-01T00:00:00Z"] * 2),
        changed(1, event_timestamps=["yesterday"]),
        changed(1, event_timestamps=[None]),
    ],
    ids=range(14),
)
def test_what_is_no_answer_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        read_answer(content, KEY, ["a"], [("f", "int64_val")])
