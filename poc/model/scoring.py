"""The trained model as a function from feature values to a fraud probability, and what it says about itself.

The facts travel inside the ONNX file, as its metadata: whoever has the file has the threshold, the order of
the inputs and the categories that belong to it, and cannot pair it with those of another. Where the file
came from and where the values come from is up to the caller; it needs no scikit-learn, no pandas, and
nothing is unpickled.
"""

import json
import math
import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timezone
from typing import Any

import numpy as np
from pydantic import AwareDatetime, TypeAdapter

from poc.definitions import Feature
from poc.errors import ModelUnusable
from poc.retrieval.source import python_type

# Its import alone would leave an id and a database in the user's cache, and report them to its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

# The one fact that a model may leave out.
_TYPICAL = "typical"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model once it is trained.

    Attributes:
        inputs: names of the features it takes, sorted by name.
        categories: for each input that is a string, the values it knows. Any other value, and null,
            is an unknown category: none of these.
        threshold: fraud probability from which (inclusive) a transaction counts as fraud.
        metrics: measured on the test part, by name.
        typical: for each input, the value of a typical transaction, by `poc.model.pipeline`; None for a model
            that was trained before this was kept.
    """

    inputs: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    threshold: float
    label: str
    feature_service: str
    missed_fraud_cost: float
    false_alarm_cost: float
    trained_at: AwareDatetime
    metrics: Mapping[str, float]
    typical: Mapping[str, float | str | None] | None = None


def to_metadata(facts: ModelFacts) -> dict[str, str]:
    """Write `facts` as the metadata properties of an ONNX file: each a JSON value."""
    stated = asdict(facts) | {"trained_at": facts.trained_at.isoformat()}
    return {name: json.dumps(value) for name, value in stated.items() if value is not None}


def from_metadata(properties: Mapping[str, str]) -> ModelFacts:
    """Read what `to_metadata` wrote; properties that it does not write are ignored.

    Raises ValueError: a fact is missing, or not what it should be; the message names it.
    """
    names = [name for name in ModelFacts.__dataclass_fields__ if name != _TYPICAL or name in properties]
    try:
        stated = json.dumps({name: json.loads(properties[name]) for name in names})
        facts = TypeAdapter(ModelFacts).validate_json(stated, strict=True)
        typical = None if facts.typical is None else {name: facts.typical[name] for name in facts.inputs}
    except KeyError as error:
        raise ValueError(f"its file does not state {error}") from None
    except ValueError as error:
        raise ValueError(f"its file states its facts wrongly: {error}") from None
    return replace(facts, trained_at=facts.trained_at.astimezone(timezone.utc), typical=typical)


# What a row holds beside its inputs is of any type.
Rows = Sequence[Mapping[str, object]]
Column = Callable[[str, Rows], "np.ndarray[Any, Any]"]

OUTPUT = "fraud_probability"
# Null, for an input that is a string: no category is empty, so it is one of the unknown ones.
NULL_STRING = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer(ModelFacts):
    """Scores transactions, and tells where it is registered; no alias where it was asked for by version.

    Safe to use from many threads at once. Made by `open_scorer`.
    """

    name: str
    version: str
    alias: str | None
    run_id: str | None
    _session: onnxruntime.InferenceSession = field(repr=False, compare=False)
    _columns: tuple[tuple[str, Column], ...] = field(repr=False, compare=False)

    def lacking(self, features: Sequence[Feature]) -> list[str]:
        """Name the inputs that none of `features` is, or one of a type that the model does not take there."""
        kinds = {feature.name: python_type(feature.dtype) for feature in features}
        texts, numbers = (str,), (float, int, bool)
        return [
            name
            for name in self.inputs
            if kinds.get(name) not in (texts if name in self.categories else numbers)
        ]

    def score(self, rows: Rows) -> list[float]:
        """Return the fraud probability of each of `rows`, all in one run of the model.

        A null (None) number goes in as missing, the way the training data has it: the trees learned
        where to send it, or send it where most rows went if they never saw one. A null string, or one
        the model does not know, is none of its categories. No value is ever made up.

        `rows` are feature values by name; names that are no inputs are ignored.

        Raises KeyError where one lacks an input, TypeError where a value is of another type than that, or
        larger than any double.
        """
        if not rows:
            return []
        feed = {name: column(name, rows) for name, column in self._columns}
        scores: list[float] = self._session.run((OUTPUT,), feed)[0].tolist()
        return scores


def open_scorer(
    onnx_model: bytes, *, name: str, version: str, alias: str | None = None, run_id: str | None = None
) -> Scorer:
    """Open the ONNX file `onnx_model`, which is registered under that name and version.

    Raises ModelUnusable: it is not an ONNX file that `poc.model.conversion` wrote.
    """
    options = onnxruntime.SessionOptions()
    # A few hundred small trees: handing them to other threads takes longer than walking them, and
    # requests already run side by side.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Warnings about the graph concern whoever converts it, not whoever serves it.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(onnx_model, options, providers=["CPUExecutionProvider"])
        facts = from_metadata(session.get_modelmeta().custom_metadata_map)
        columns = _columns_taken(session, facts.inputs)
    except Exception as error:  # ONNX Runtime's own error types have no common base to name.
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ModelUnusable(f"{name} version {version}", reason) from error
    return Scorer(
        **asdict(facts),
        name=name,
        version=version,
        alias=alias,
        run_id=run_id,
        _session=session,
        _columns=columns,
    )


def _columns_taken(
    session: onnxruntime.InferenceSession, inputs: Sequence[str]
) -> tuple[tuple[str, Column], ...]:
    """Return how the column of each input is made; raise a ValueError where the graph is no model of ours."""
    kinds = {argument.name: argument.type for argument in session.get_inputs()}
    if set(kinds) != set(inputs):
        raise ValueError(f"it takes {sorted(kinds)}, and says that it takes {sorted(inputs)}")
    unknown = [f"{name} ({kind})" for name, kind in kinds.items() if kind not in _COLUMNS]
    if unknown:
        raise ValueError(f"it takes values of other types than numbers and strings: {', '.join(unknown)}")
    if OUTPUT not in {argument.name for argument in session.get_outputs()}:
        raise ValueError(f"it has no output {OUTPUT}")
    return tuple((name, _COLUMNS[kinds[name]]) for name in inputs)


def _numbers(name: str, rows: Rows) -> "np.ndarray[Any, Any]":
    values: list[Any] = [math.nan if (value := row[name]) is None else value for row in rows]
    try:
        # An array of doubles takes integers and booleans, and no strings, unlike NumPy's.
        return np.frombuffer(array("d", values))
    except (TypeError, OverflowError) as error:
        raise TypeError(f"{name}: {error}") from None


def _strings(name: str, rows: Rows) -> "np.ndarray[Any, Any]":
    column = [NULL_STRING if (value := row[name]) is None else value for row in rows]
    for value in column:
        if not isinstance(value, str):
            raise TypeError(f"{name}: must be a string, not {type(value).__name__}")
    return np.array(column, dtype=object)


_COLUMNS = {"tensor(double)": _numbers, "tensor(string)": _strings}
