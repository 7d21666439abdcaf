"""From the fitted pipeline to an ONNX file that decides exactly as it does.

skl2onnx writes the trees; three things are then put right in its graph:
- Thresholds and leaves are 64-bit. skl2onnx rounds them to 32 bits, and a value that lies on a
  threshold (trees are cut at values that occur) then goes the other way: scores were off by 0.006.
- Each input is a plain column, so that MLflow's pyfunc can be given a DataFrame.
- The output is one fraud probability a row.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnx.checker import check_model
from onnx.helper import make_attribute, make_node, make_tensor_value_info, set_model_props
from onnx.numpy_helper import from_array
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from poc.errors import ModelNotConvertible, ScoresDisagree
from poc.model.pipeline import ModelInputs, fraud_probabilities, input_columns
from poc.model.scoring import OUTPUT, ModelFacts, Scorer, to_metadata

# ai.onnx.ml 3 is the first with 64-bit trees. Both are old enough for every ONNX Runtime we allow.
OPSETS = {"": 16, "ai.onnx.ml": 3}
_ROWS = "rows"
_PROBABILITIES = ":probabilities"


def to_onnx(pipeline: Pipeline, facts: ModelFacts) -> bytes:
    """Convert `pipeline`, and put `facts` into the file.

    Raises ModelNotConvertible: skl2onnx did not write the trees in the form that is known here.
    """
    types = [
        (name, (StringTensorType if name in facts.categories else DoubleTensorType)([None, 1]))
        for name in facts.inputs
    ]
    names = {"name": facts.feature_service, "initial_types": types, "target_opset": OPSETS}
    model: ModelProto = convert_sklearn(pipeline, options={id(pipeline): {"zipmap": False}}, **names)
    # skl2onnx declares the oldest that its nodes need.
    for opset in model.opset_import:
        opset.version = max(opset.version, OPSETS[opset.domain])
    _restore_precision(model.graph, pipeline)
    _take_columns(model.graph, facts)
    _answer_fraud_probability(model.graph)
    set_model_props(model, to_metadata(facts))
    check_model(model)
    written: bytes = model.SerializeToString()
    return written


def _restore_precision(graph: GraphProto, pipeline: Pipeline) -> None:
    """Replace the trees' rounded numbers with the pipeline's own."""
    boost = pipeline[-1]
    nodes = np.concatenate([tree.nodes for trees in boost._predictors for tree in trees])
    leaves = nodes["is_leaf"].astype(bool)
    exact = {
        "nodes_values": np.where(leaves, 0.0, nodes["num_threshold"]),
        "class_weights": nodes["value"][leaves],
        "base_values": np.ravel(boost._baseline_prediction),
    }
    found = [node for node in graph.node if node.op_type == "TreeEnsembleClassifier"]
    if len(found) != 1:
        raise ModelNotConvertible(f"skl2onnx wrote {len(found)} tree ensembles instead of one")
    [trees] = found
    for name, numbers in exact.items():
        rounded = np.array(_remove_attribute(trees, name).floats)
        if rounded.shape != numbers.shape or not np.allclose(rounded, numbers, rtol=1e-6, atol=1e-12):
            raise ModelNotConvertible(f"skl2onnx wrote {name} in another order than expected")
        stated = from_array(numbers.astype(np.float64), name)
        trees.attribute.append(make_attribute(f"{name}_as_tensor", stated))
    # How often a node was reached says nothing here, and would have to be 64-bit as well.
    _remove_attribute(trees, "nodes_hitrates")


def _remove_attribute(node: NodeProto, name: str) -> Any:
    attribute = next((item for item in node.attribute if item.name == name), None)
    if attribute is None:
        raise ModelNotConvertible(f"skl2onnx wrote no {name}")
    node.attribute.remove(attribute)
    return attribute


def _take_columns(graph: GraphProto, facts: ModelFacts) -> None:
    """Let each input be a vector, one value a row, where skl2onnx wants a matrix of one column."""
    # skl2onnx makes other names of some, in the same order. A colon is in no feature's name.
    given = [f":{item.name}" for item in graph.input]
    for node in graph.node:
        node.input[:] = [f":{name}" if name else "" for name in node.input]
        node.output[:] = [f":{name}" for name in node.output]
    for initializer in graph.initializer:
        initializer.name = f":{initializer.name}"
    del graph.input[:]
    graph.initializer.append(from_array(np.array([1], dtype=np.int64), ":second_axis"))
    for place, (name, matrix) in enumerate(zip(facts.inputs, given, strict=True)):
        kind = TensorProto.STRING if name in facts.categories else TensorProto.DOUBLE
        graph.input.append(make_tensor_value_info(name, kind, [_ROWS]))
        graph.node.insert(place, make_node("Unsqueeze", [name, ":second_axis"], [matrix]))


def _answer_fraud_probability(graph: GraphProto) -> None:
    del graph.output[:]
    graph.initializer.append(from_array(np.array(1, dtype=np.int64), ":fraud_class"))
    graph.node.append(make_node("Gather", [_PROBABILITIES, ":fraud_class"], [OUTPUT], axis=1))
    graph.output.append(make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [_ROWS]))


# ONNX's tree operators give 32-bit probabilities: apart from that rounding there is no difference.
ALLOWED_DIFFERENCE = 1e-6
# Rows that are varied, a variant for each input: what a server can meet and the data may not hold.
VARIED_ROWS = 200
UNKNOWN_CATEGORY = "a category that no training row had"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the two agree."""

    rows: int
    largest_difference: float


def check_agreement(scorer: Scorer, pipeline: Pipeline, inputs: ModelInputs, rows: pd.DataFrame) -> Agreement:
    """Score all `rows`, and variants of some with nulls and unknown categories, both ways.

    Raises ScoresDisagree: a probability differs by more than rounding, or a decision is another.
    """
    columns = _with_variants(inputs, input_columns(inputs, rows))
    expected = fraud_probabilities(pipeline, columns)
    served = np.array(scorer.score(_as_served(columns)))
    largest = float(np.abs(served - expected).max())
    flipped = int(((served >= scorer.threshold) != (expected >= scorer.threshold)).sum())
    # Not `largest > ALLOWED`: a NaN must not pass.
    if flipped or not largest <= ALLOWED_DIFFERENCE:
        raise ScoresDisagree(len(columns), flipped, largest, ALLOWED_DIFFERENCE)
    return Agreement(len(columns), largest)


def _with_variants(inputs: ModelInputs, columns: pd.DataFrame) -> pd.DataFrame:
    varied = columns.iloc[:: max(1, len(columns) // VARIED_ROWS)]
    nulls = [varied.assign(**{name: np.nan}) for name in inputs.numbers]
    unknown = [(name, value) for name in inputs.categories for value in (UNKNOWN_CATEGORY, "")]
    strings = [varied.assign(**{name: value}) for name, value in unknown]
    everything: pd.DataFrame = pd.concat([columns, *nulls, *strings], ignore_index=True)
    return everything


def _as_served(columns: pd.DataFrame) -> list[dict[str, float | str | None]]:
    """Return the rows as a server has them: plain values by name, None where one is null."""
    values = columns.astype(object).where(pd.notna(columns) & (columns != ""), None)
    rows: list[dict[str, float | str | None]] = values.to_dict("records")
    return rows
