"""The protocol's two forms of a tensor, and what is refused in either."""

import json
import struct
from collections.abc import Callable

import pytest
from feast.types import String

from poc.definitions import JoinKey
from poc.serving.tensors import OUTPUTS, Question, RefusedTensors, read_question

KEYS = (JoinKey("transaction_id", String),)


def question(content: bytes, header_length: str | None) -> Question:
    return read_question(content, header_length, KEYS)


def packed(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in elements)


def asked(tensor: dict[str, object], binary: bytes = b"", **more: object) -> tuple[bytes, str | None]:
    whole = {"name": "transaction_id", "datatype": "BYTES", "shape": [1]} | tensor
    head = json.dumps({"inputs": [whole]} | more).encode()
    return head + binary, str(len(head)) if binary else None


def with_binary(*elements: bytes, size: int | None = None, shape: list[int] | None = None) -> tuple:
    binary = packed(*elements)
    parameters = {"binary_data_size": len(binary) if size is None else size}
    return asked({"parameters": parameters, "shape": shape or [len(elements)]}, binary)


@pytest.mark.parametrize("ids", [["12345"], ["a", "b"], ["Café \N{PILE OF POO}", " "]])
def test_json_and_binary_mean_the_same(ids: list[str]) -> None:
    by_json = question(*asked({"data": ids, "shape": [len(ids)]}))
    by_binary = question(*with_binary(*(item.encode() for item in ids)))
    assert by_json == by_binary
    assert by_json.keys == [(item,) for item in ids]


@pytest.mark.parametrize("data", [["a", "b"], [["a"], ["b"]]], ids=["flat", "nested"])
def test_column_keeps_its_shape(data: list[object]) -> None:
    read = question(*asked({"data": data, "shape": [2, 1]}))
    assert read.keys == [("a",), ("b",)]
    assert read.shape == (2, 1)


def test_all_outputs_come_as_json_unless_told_otherwise() -> None:
    assert question(*asked({"data": ["a"]})).outputs == dict.fromkeys(OUTPUTS, False)


def test_binary_output_is_asked_for_as_a_whole_or_one_by_one() -> None:
    whole = question(*asked({"data": ["a"]}, parameters={"binary_data_output": True}))
    one = question(
        *asked({"data": ["a"]}, outputs=[{"name": "is_fraud", "parameters": {"binary_data": True}}])
    )
    assert whole.outputs == dict.fromkeys(OUTPUTS, True)
    assert one.outputs == {"is_fraud": True}


def test_what_clients_add_for_other_servers_is_passed_over() -> None:
    content, _ = asked({"data": ["a"], "parameters": {"content_type": "str"}}, parameters={"priority": 3})
    assert question(content, None).keys == [("a",)]


REFUSED = {
    "another name": lambda: asked({"name": "id", "data": ["a"]}),
    "another type": lambda: asked({"datatype": "INT64", "data": ["a"]}),
    "a number": lambda: asked({"data": [12345]}),
    "nested too deep": lambda: asked({"data": [[["a"]]]}),
    "fewer than the shape": lambda: asked({"data": ["a"], "shape": [2]}),
    "more than the shape": lambda: asked({"data": ["a", "b"], "shape": [1]}),
    "a row": lambda: asked({"data": ["a", "b"], "shape": [1, 2]}),
    "three dimensions": lambda: asked({"data": ["a"], "shape": [1, 1, 1]}),
    "no dimension": lambda: asked({"data": ["a"], "shape": []}),
    "a negative shape": lambda: asked({"data": ["a"], "shape": [-1]}),
    "no data": lambda: asked({}),
    "data twice": lambda: asked({"data": ["a"], "parameters": {"binary_data_size": 5}}, packed(b"a")),
    "bytes that nobody declared": lambda: asked({"data": ["a"]}, packed(b"a")),
    "another size": lambda: with_binary(b"a", size=4),
    "a size that is no number": lambda: asked({"parameters": {"binary_data_size": "5"}}, packed(b"a")),
    "an element cut off": lambda: asked({"parameters": {"binary_data_size": 5}}, b"\x05\0\0\0a"),
    "a length cut off": lambda: asked({"parameters": {"binary_data_size": 2}}, b"\x05\0"),
    "no UTF-8": lambda: with_binary(b"\xff"),
    "a head beyond the body": lambda: (asked({"data": ["a"]})[0], "100000"),
    "a head that is no number": lambda: (asked({"data": ["a"]})[0], "-1"),
    "another output": lambda: asked({"data": ["a"]}, outputs=[{"name": "score"}]),
    "overrides that are no text": lambda: asked({"data": ["a"]}, parameters={"overrides": {"amount": 1}}),
    "no input": lambda: (b'{"inputs": []}', None),
    "the input twice": lambda: (
        json.dumps({"inputs": json.loads(asked({"data": ["a"]})[0])["inputs"] * 2}).encode(),
        None,
    ),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused(make: Callable[[], tuple[bytes, str | None]]) -> None:
    with pytest.raises(RefusedTensors):
        question(*make())
