"""From the fitted pipeline to an ONNX file that decides exactly as it does.

skl2onnx writes the trees; three things are then put right in its graph:
- Thresholds and leaves are 64-bit. skl2onnx rounds them to 32 bits, and a value that lies on a
  threshold (trees are cut at values that occur) then goes the other way: scores were off by 0.006.
- Each input is a plain column, so that MLflow's pyfunc can be given a DataFrame.
- The output is one fraud probability a row.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from poc.errors import ModelNotConvertible
from poc.model.card import ModelFacts, to_metadata
from poc.model.inputs import ModelInputs
from poc.model.scoring import OUTPUT

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto
    from sklearn.pipeline import Pipeline

# ai.onnx.ml 3 is the first with 64-bit trees. Both are old enough for every ONNX Runtime we allow.
OPSETS = {"": 16, "ai.onnx.ml": 3}
_ROWS = "rows"
_PROBABILITIES = "probabilities"


def to_onnx(pipeline: "Pipeline", inputs: ModelInputs, facts: ModelFacts) -> bytes:
    """Convert `pipeline`, and put `facts` into the file.

    Raises:
        ModelNotConvertible: skl2onnx did not write the trees in the form that is known here.
    """
    from onnx.checker import check_model
    from onnx.helper import set_model_props
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    types = [
        (name, StringTensorType([None, 1]) if name in inputs.categories else DoubleTensorType([None, 1]))
        for name in inputs.names
    ]
    model: ModelProto = convert_sklearn(
        pipeline,
        name=facts.feature_service,
        initial_types=types,
        target_opset=OPSETS,
        options={id(pipeline): {"zipmap": False}},
    )
    _declare_opsets(model)
    _restore_precision(model.graph, pipeline)
    _take_columns(model.graph, inputs)
    _give_fraud_probability(model.graph)
    set_model_props(model, to_metadata(facts))
    check_model(model)
    written: bytes = model.SerializeToString()
    return written


def _declare_opsets(model: "ModelProto") -> None:
    # skl2onnx declares the oldest that its nodes need.
    for opset in model.opset_import:
        opset.version = max(opset.version, OPSETS[opset.domain])


def _restore_precision(graph: "GraphProto", pipeline: "Pipeline") -> None:
    """Replace the trees' rounded numbers with the pipeline's own."""
    boost = pipeline[-1]
    nodes = np.concatenate([tree.nodes for trees in boost._predictors for tree in trees])
    leaves = nodes["is_leaf"].astype(bool)
    exact = {
        "nodes_values": np.where(leaves, 0.0, nodes["num_threshold"]),
        "class_weights": nodes["value"][leaves],
        "base_values": np.ravel(boost._baseline_prediction),
    }
    trees = _trees(graph)
    for name, numbers in exact.items():
        _replace_numbers(trees, name, numbers.astype(np.float64))
    # How often a node was reached says nothing here, and would have to be 64-bit as well.
    _remove_attribute(trees, "nodes_hitrates")


def _trees(graph: "GraphProto") -> "NodeProto":
    found = [node for node in graph.node if node.op_type == "TreeEnsembleClassifier"]
    if len(found) != 1:
        raise ModelNotConvertible(f"skl2onnx wrote {len(found)} tree ensembles instead of one")
    return found[0]


def _replace_numbers(trees: "NodeProto", name: str, numbers: "np.ndarray[Any, Any]") -> None:
    from onnx import helper, numpy_helper

    rounded = np.array(_remove_attribute(trees, name).floats)
    if rounded.shape != numbers.shape or not np.allclose(rounded, numbers, rtol=1e-6, atol=1e-12):
        raise ModelNotConvertible(f"skl2onnx wrote {name} in another order than expected")
    trees.attribute.append(helper.make_attribute(f"{name}_as_tensor", numpy_helper.from_array(numbers, name)))


def _remove_attribute(node: "NodeProto", name: str) -> Any:
    attribute = next((item for item in node.attribute if item.name == name), None)
    if attribute is None:
        raise ModelNotConvertible(f"skl2onnx wrote no {name}")
    node.attribute.remove(attribute)
    return attribute


def _take_columns(graph: "GraphProto", inputs: ModelInputs) -> None:
    """Let each input be a vector, one value a row, where skl2onnx wants a matrix of one column."""
    from onnx import TensorProto, helper, numpy_helper

    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in inputs.names:
                node.input[place] = _matrix(name)
    del graph.input[:]
    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "second_axis"))
    for place, name in enumerate(inputs.names):
        kind = TensorProto.STRING if name in inputs.categories else TensorProto.DOUBLE
        graph.input.append(helper.make_tensor_value_info(name, kind, [_ROWS]))
        graph.node.insert(place, helper.make_node("Unsqueeze", [name, "second_axis"], [_matrix(name)]))


def _matrix(name: str) -> str:
    return f"{name}_matrix"


def _give_fraud_probability(graph: "GraphProto") -> None:
    from onnx import TensorProto, helper, numpy_helper

    del graph.output[:]
    graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.int64), "fraud_class"))
    graph.node.append(helper.make_node("Gather", [_PROBABILITIES, "fraud_class"], [OUTPUT], axis=1))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [_ROWS]))
