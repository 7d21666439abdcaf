"""What the Open Inference Protocol (version 2) sends and is sent: named tensors, as JSON or binary.

Knows the protocol's form and its binary tensor extension; who judges transactions is up to others.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from poc.serving.prediction import Judgement

TRANSACTION_ID = "transaction_id"
INPUTS = {TRANSACTION_ID: "BYTES"}
OUTPUTS = {"fraud_probability": "FP64", "is_fraud": "BOOL"}
_PACKED = {"FP64": "d", "BOOL": "?"}
# Bytes of the JSON in a body that goes on with binary tensors.
HEADER_LENGTH = "Inference-Header-Content-Length"


class RefusedTensors(ValueError):
    """A request does not fit the protocol or the model; the message says where."""


class _Part(BaseModel):
    """A part of a request. What clients add for other servers is passed over."""

    model_config = ConfigDict(strict=True, frozen=True)


class InputTensor(_Part):
    """One input."""

    name: str = Field(examples=[TRANSACTION_ID])
    shape: list[int] = Field(description="[N], or [N, 1].", examples=[[2]])
    datatype: str = Field(examples=[INPUTS[TRANSACTION_ID]])
    parameters: dict[str, Any] = Field({}, description="`binary_data_size`: bytes after the JSON.")
    data: list[Any] | None = Field(None, examples=[["12345", "67890"]])


class RequestedOutput(_Part):
    """One output that is wanted."""

    name: str = Field(examples=list(OUTPUTS))
    parameters: dict[str, Any] = Field({}, description="`binary_data`: whether to answer in binary.")


class InferenceRequest(_Part):
    """An inference request; of its parameters, `overrides` is a JSON object as text."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What an inference request asks.

    Attributes:
        id: the client's name for it, given back.
        transaction_ids: whom to judge.
        shape: of the input, and so of the outputs.
        outputs: whether to answer in binary, by the wanted outputs' names, in their order.
        overrides: JSON of the features to judge by in place of the stored ones; None for none.
    """

    id: str | None
    transaction_ids: tuple[str, ...]
    shape: tuple[int, ...]
    outputs: Mapping[str, bool]
    overrides: str | None


def read_question(content: bytes, header_length: str | None) -> Question:
    """Read a request's body.

    Args:
        content: the body.
        header_length: the header `HEADER_LENGTH`; None where all of the body is JSON.

    Raises:
        RefusedTensors: it does not fit the protocol, or this model.
        ValidationError: its JSON does not.
    """
    head = _head_size(content, header_length)
    request = InferenceRequest.model_validate_json(content[:head])
    if [item.name for item in request.inputs] != [TRANSACTION_ID]:
        named = ", ".join(item.name for item in request.inputs) or "none"
        raise RefusedTensors(f"inputs: takes {TRANSACTION_ID} and nothing else, was given {named}")
    tensor = request.inputs[0]
    if tensor.datatype != INPUTS[TRANSACTION_ID]:
        raise RefusedTensors(f"{tensor.name}: is {INPUTS[tensor.name]}, was given as {tensor.datatype}")
    elements = _elements(tensor, content[head:])
    if len(tensor.shape) not in (1, 2) or tensor.shape != [len(elements), 1][: len(tensor.shape)]:
        raise RefusedTensors(
            f"{tensor.name}: shape {tensor.shape} does not fit {len(elements)} ids; [N] does"
        )
    overrides = request.parameters.get("overrides")
    if overrides is not None and not isinstance(overrides, str):
        raise RefusedTensors("parameters.overrides: is no text; give a JSON object as text")
    return Question(request.id, tuple(elements), tuple(tensor.shape), _wanted(request), overrides)


def write_answer(
    question: Question, judgements: Sequence[Judgement], model: str, version: str, threshold: float
) -> tuple[bytes, int | None]:
    """Word the answer to `question`: its body, and the size of the JSON in it where binary follows."""
    outputs: list[dict[str, Any]] = []
    packed: list[bytes] = []
    for name, binary in question.outputs.items():
        values = [getattr(item, name) for item in judgements]
        output: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": question.shape}
        if binary:
            packed.append(struct.pack(f"<{len(values)}{_PACKED[OUTPUTS[name]]}", *values))
            output["parameters"] = {"binary_data_size": len(packed[-1])}
        else:
            output["data"] = values
        outputs.append(output)
    answer = {
        "model_name": model,
        "model_version": version,
        **({} if question.id is None else {"id": question.id}),
        "parameters": {"threshold": threshold, "stale": sum(item.stale for item in judgements)},
        "outputs": outputs,
    }
    head = json.dumps(answer).encode()
    return head + b"".join(packed), len(head) if packed else None


def _head_size(content: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(content)
    if not (header_length.isascii() and header_length.isdigit() and int(header_length) <= len(content)):
        raise RefusedTensors(f"{HEADER_LENGTH}: {header_length!r} is no size of a part of the body")
    return int(header_length)


def _wanted(request: InferenceRequest) -> dict[str, bool]:
    binary = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return dict.fromkeys(OUTPUTS, binary)
    wanted = {item.name: item.parameters.get("binary_data", binary) is True for item in request.outputs}
    unknown = [name for name in wanted if name not in OUTPUTS]
    if unknown:
        raise RefusedTensors(f"outputs: there are {', '.join(OUTPUTS)}, but not {', '.join(unknown)}")
    return wanted


def _elements(tensor: InputTensor, binary: bytes) -> list[str]:
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if tensor.data is None or binary:
            raise RefusedTensors(f"{tensor.name}: needs data, or binary_data_size and as many bytes")
        return list(_flat(tensor))
    if tensor.data is not None or size != len(binary):
        raise RefusedTensors(f"{tensor.name}: {len(binary)} bytes follow, binary_data_size is {size}")
    return list(_unpacked(tensor.name, binary))


def _flat(tensor: InputTensor) -> Iterator[str]:
    for item in tensor.data or ():
        for element in item if isinstance(item, list) else (item,):
            if not isinstance(element, str):
                raise RefusedTensors(f"{tensor.name}: {json.dumps(element)[:40]} is no text")
            yield element


def _unpacked(name: str, binary: bytes) -> Iterator[str]:
    """Read elements that each follow their own length, four bytes, little-endian."""
    place = 0
    while place < len(binary):
        start = place + 4
        place = start + int.from_bytes(binary[place:start], "little")
        if start > len(binary) or place > len(binary):
            raise RefusedTensors(f"{name}: its bytes end within an element")
        try:
            yield binary[start:place].decode()
        except UnicodeDecodeError as error:
            raise RefusedTensors(f"{name}: an element is not UTF-8") from error
