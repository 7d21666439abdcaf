from typing import Any

import numpy as np

from poc.model.pipeline import MOST_TREES, fit_pipeline, fraud_probabilities, number_of_trees


def test_number_of_trees_is_the_best_for_the_validation_part(trained: Any) -> None:
    """Labels that the features say nothing about are best met with hardly any tree."""
    noise = np.random.default_rng(1).integers(0, 2, len(trained.labels))
    columns = trained.columns
    pipeline = fit_pipeline(trained.inputs, columns[:1000], noise[:1000], columns[1000:], noise[1000:])
    assert number_of_trees(pipeline) < number_of_trees(trained.pipeline) <= MOST_TREES


def test_training_again_gives_the_same_scores(trained: Any) -> None:
    columns, labels = trained.columns, trained.labels
    again = fit_pipeline(trained.inputs, columns[:1000], labels[:1000], columns[1000:], labels[1000:])
    expected = fraud_probabilities(trained.pipeline, columns)
    assert fraud_probabilities(again, columns).tolist() == expected.tolist()
