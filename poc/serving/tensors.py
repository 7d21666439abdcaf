"""What the Open Inference Protocol (version 2) sends and is sent: named tensors, as JSON or binary.

Knows the protocol's form and its binary tensor extension; who judges transactions is up to others.
"""

import base64
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from poc.definitions import JoinKey
from poc.retrieval.source import EntityKey
from poc.serving.prediction import Judged, Judgement
from poc.serving.request_bodies import MARK

OUTPUTS = {"fraud_probability": "FP64", "is_fraud": "BOOL"}
# Of each datatype how it is packed, what JSON has for it in Python, and in words.
_TYPES: dict[str, tuple[str, tuple[type, ...], str]] = {
    "BYTES": ("", (str,), "text"),
    "INT64": ("q", (int,), "whole number"),
    "INT32": ("i", (int,), "whole number"),
    "FP64": ("d", (float, int), "number"),
    "FP32": ("f", (float, int), "number"),
    "BOOL": ("?", (bool,), "boolean"),
}
# Bytes of the JSON in a body that goes on with binary tensors.
HEADER_LENGTH = "Inference-Header-Content-Length"


class RefusedTensors(ValueError):
    """A request does not fit the protocol or the model; the message says where."""


# A null says what leaving it out says, as many clients write it.
Parameters: TypeAlias = Annotated[
    dict[str, Any],
    BeforeValidator(lambda value: {} if value is None else value),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}]}),
]


class _Part(BaseModel):
    """A part of a request. What clients add for other servers is passed over."""

    model_config = ConfigDict(strict=True, frozen=True)


class InputTensor(_Part):
    """One input."""

    name: str = Field(examples=["transaction_id"])
    shape: list[int] = Field(description="[N], or [N, 1].", examples=[[2]])
    datatype: str = Field(examples=["BYTES"])
    parameters: Parameters = Field({}, description="`binary_data_size`: bytes after the JSON.")
    data: list[Any] | None = Field(None, examples=[["12345", "67890"]])


class RequestedOutput(_Part):
    """One output that is wanted."""

    name: str = Field(examples=list(OUTPUTS))
    parameters: Parameters = Field({}, description="`binary_data`: whether to answer in binary.")


class InferenceRequest(_Part):
    """An inference request; of its parameters, `overrides` is a JSON object as text."""

    id: str | None = None
    parameters: Parameters = {}
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What an inference request asks: the outputs have the shape of the inputs, and the client's `id`.

    Attributes:
        outputs: whether to answer in binary, by the wanted outputs' names, in their order.
        overrides: JSON of the features to judge by in place of the stored ones.
    """

    id: str | None
    keys: list[EntityKey]
    shape: tuple[int, ...]
    outputs: Mapping[str, bool]
    overrides: str


def inputs(keys: Sequence[JoinKey]) -> dict[str, str]:
    """Return the input tensors that name entities, a datatype for each join key: times are ms since 1970."""
    from feast.types import Bool, Float32, Float64, Int32, Int64, UnixTimestamp

    numbers = {Float32: "FP32", Float64: "FP64", Int32: "INT32", Int64: "INT64", UnixTimestamp: "INT64"}
    return {key.name: {**numbers, Bool: "BOOL"}.get(key.dtype, "BYTES") for key in keys}


def read_question(content: bytes, header_length: str | None, keys: Sequence[JoinKey]) -> Question:
    """Read a request's body: it has an input for each of `keys`, in any order.

    `header_length` is the header `HEADER_LENGTH`; None where all of the body is JSON.

    Raises ValidationError where its JSON does not fit the protocol, RefusedTensors where anything else does
    not, or not this model.
    """
    head = len(content)
    if header_length is not None:
        # Python reads no number of thousands of digits.
        if not re.fullmatch("[0-9]{1,18}", header_length) or int(header_length) > head:
            raise RefusedTensors(f"{HEADER_LENGTH}: {header_length[:40]!r} is no size of a part of the body")
        head = int(header_length)
    request = InferenceRequest.model_validate_json(content[:head].removeprefix(MARK))
    wanted, given = inputs(keys), [item.name for item in request.inputs]
    if sorted(given) != sorted(wanted):
        named = ", ".join(given) or "none"
        raise RefusedTensors(f"inputs: takes {', '.join(wanted)} and nothing else, was given {named}")
    columns: dict[str, list[Any]] = {}
    binary = content[head:]
    for tensor in request.inputs:
        if tensor.datatype != wanted[tensor.name]:
            raise RefusedTensors(f"{tensor.name}: is {wanted[tensor.name]}, was given as {tensor.datatype}")
        elements, binary = _elements(tensor, binary)
        if tensor.shape not in ([count := len(elements)], [count, 1]):
            raise RefusedTensors(f"{tensor.name}: shape {tensor.shape} does not fit {count} ids; [N] does")
        columns[tensor.name] = elements
    if binary:
        raise RefusedTensors(f"inputs: {len(binary)} bytes follow that belong to none")
    if len({len(elements) for elements in columns.values()}) > 1:
        raise RefusedTensors("inputs: they have different numbers of elements")
    overrides = request.parameters.get("overrides")
    overrides = "{}" if overrides is None else overrides
    if not isinstance(overrides, str):
        raise RefusedTensors("parameters.overrides: is no text; give a JSON object as text")
    rows = list(zip(*(_keys(key, columns[key.name]) for key in keys), strict=True))
    shape = tuple(request.inputs[0].shape)
    return Question(request.id, rows, shape, _wanted(request), overrides)


def _keys(key: JoinKey, elements: Sequence[Any]) -> list[Any]:
    """Make of a tensor's elements what the join key's values are in Python."""
    from feast.types import Bytes, UnixTimestamp

    try:
        if key.dtype == UnixTimestamp:
            return [datetime.fromtimestamp(item / 1000, tz=timezone.utc) for item in elements]
        if key.dtype == Bytes:
            return [base64.b64decode(item, validate=True) for item in elements]
    except (ValueError, OverflowError, OSError) as error:
        raise RefusedTensors(f"{key.name}: {error}") from error
    return list(elements)


def write_answer(question: Question, judged: Judged) -> tuple[bytes, int | None]:
    """Word the answer, all of it judged: its body, and the size of the JSON in it where binary follows."""
    judgements = [outcome for outcome in judged.outcomes if isinstance(outcome, Judgement)]
    outputs: list[dict[str, Any]] = []
    packed: list[bytes] = []
    for name, binary in question.outputs.items():
        values = [getattr(item, name) for item in judgements]
        output: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": question.shape}
        if binary:
            packed.append(struct.pack(f"<{len(values)}{_TYPES[OUTPUTS[name]][0]}", *values))
            output["parameters"] = {"binary_data_size": len(packed[-1])}
        else:
            output["data"] = values
        outputs.append(output)
    answer = {
        "model_name": judged.model.name,
        "model_version": judged.model.version,
        **({} if question.id is None else {"id": question.id}),
        "parameters": {"threshold": judged.model.threshold, "stale": sum(item.stale for item in judgements)},
        "outputs": outputs,
    }
    head = json.dumps(answer).encode()
    return head + b"".join(packed), len(head) if packed else None


def _wanted(request: InferenceRequest) -> dict[str, bool]:
    binary = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return dict.fromkeys(OUTPUTS, binary)
    wanted = {item.name: item.parameters.get("binary_data", binary) is True for item in request.outputs}
    unknown = [name for name in wanted if name not in OUTPUTS]
    if unknown:
        raise RefusedTensors(f"outputs: there are {', '.join(OUTPUTS)}, but not {', '.join(unknown)}")
    return wanted


def _elements(tensor: InputTensor, binary: bytes) -> tuple[list[Any], bytes]:
    """Return the elements of `tensor`, and what of `binary` is left for those that follow."""
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if tensor.data is None:
            raise RefusedTensors(f"{tensor.name}: needs data, or binary_data_size and as many bytes")
        _, kinds, said = _TYPES[tensor.datatype]
        flat = [element for item in tensor.data for element in (item if isinstance(item, list) else [item])]
        for element in flat:
            if type(element) not in kinds:
                raise RefusedTensors(f"{tensor.name}: {json.dumps(element)[:40]} is no {said}")
        return flat, binary
    if tensor.data is not None or type(size) is not int or not 0 <= size <= len(binary):
        raise RefusedTensors(f"{tensor.name}: {len(binary)} bytes follow, binary_data_size is {size}")
    return list(_unpacked(tensor, binary[:size])), binary[size:]


def _unpacked(tensor: InputTensor, binary: bytes) -> Iterator[Any]:
    packed, _, _ = _TYPES[tensor.datatype]
    try:
        if packed:
            yield from (element for (element,) in struct.iter_unpack(f"<{packed}", binary))
            return
        # Texts each follow their own length, four bytes.
        place = 0
        while place < len(binary):
            (size,) = struct.unpack_from("<I", binary, place)
            yield struct.unpack_from(f"{size}s", binary, place + 4)[0].decode()
            place += 4 + size
    except struct.error as error:
        raise RefusedTensors(f"{tensor.name}: its bytes end within an element") from error
    except UnicodeDecodeError as error:
        raise RefusedTensors(f"{tensor.name}: an element is not UTF-8") from error
