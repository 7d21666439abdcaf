from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from poc.model.conversion import check_agreement, to_onnx
from poc.model.pipeline import fit_pipeline, fraud_probabilities, input_columns, model_inputs
from poc.model.scoring import Scorer, open_scorer


def test_value_on_a_split_goes_the_way_scikit_learn_sends_it(trained: Any, scorer: Scorer) -> None:
    """32-bit thresholds send it the other way."""
    nodes = np.concatenate([tree.nodes for trees in trained.pipeline[-1]._predictors for tree in trees])
    splits = np.unique(nodes["num_threshold"][nodes["is_leaf"] == 0])
    around = np.concatenate([splits, np.nextafter(splits, -np.inf), np.nextafter(splits, np.inf)])
    columns = pd.concat([trained.columns.head(1)] * len(around), ignore_index=True).assign(price=around)
    served = scorer.score(columns.to_dict("records"))
    assert np.abs(fraud_probabilities(trained.pipeline, columns) - served).max() < 1e-6


def test_inputs_are_named_columns_and_the_output_is_one_probability_a_row(trained: Any) -> None:
    graph = onnx.load_from_string(trained.onnx_model).graph
    ranks = {item.name: len(item.type.tensor_type.shape.dim) for item in (*graph.input, *graph.output)}
    assert ranks == dict.fromkeys((*trained.inputs.names, "fraud_probability"), 1)


@pytest.mark.parametrize("name", ["price", "hour", "browser"])
def test_feature_that_is_always_null_is_no_obstacle(trained: Any, name: str) -> None:
    """As after a feature was declared and before the data has it."""
    rows = trained.rows.assign(**{name: None})
    inputs = model_inputs(trained.served.features, rows)
    columns = input_columns(inputs, rows)
    pipeline = fit_pipeline(inputs, columns, trained.labels, columns, trained.labels)
    scorer = open_scorer(to_onnx(pipeline, trained.facts), name="fraud", version="1")
    assert check_agreement(scorer, pipeline, inputs, rows).largest_difference < 1e-6


def test_facts_travel_in_the_file(trained: Any, scorer: Scorer) -> None:
    assert (scorer.categories, scorer.trained_at) == (
        trained.facts.categories,
        trained.facts.trained_at,
    )
