"""The scikit-learn pipeline: encode the strings, boost small trees.

Trees are kept small and their number is taken from the validation part: with about a hundred frauds
to learn from, scikit-learn's default of 31 leaves overfits, in order and in calibration.
"""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poc.model.inputs import ModelInputs

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

MOST_TREES = 300
PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 4,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    # The parts are cut by time; scikit-learn's own early stopping would hold out rows at random.
    "early_stopping": False,
    "random_state": 0,
}


def fit_pipeline(
    inputs: ModelInputs,
    training: "pd.DataFrame",
    labels: NDArray[np.int64],
    validation: "pd.DataFrame",
    validation_labels: NDArray[np.int64],
) -> "Pipeline":
    """Fit on `training`, with as many trees as give `validation` the least log loss.

    Args:
        training: the form that `poc.model.inputs.input_columns` gives.
    """
    with _one_thread():
        longest = _pipeline(inputs, training, MOST_TREES).fit(training, labels)
        trees = _best_number_of_trees(longest, validation, validation_labels)
        return _pipeline(inputs, training, trees).fit(training, labels)


def fraud_probabilities(pipeline: "Pipeline", columns: "pd.DataFrame") -> NDArray[np.float64]:
    """Return scikit-learn's fraud probability of each row of `columns`."""
    with _one_thread():
        probabilities: NDArray[np.float64] = pipeline.predict_proba(columns)[:, 1]
    return probabilities


def number_of_trees(pipeline: "Pipeline") -> int:
    """Tell how many trees were boosted."""
    return int(pipeline[-1].n_iter_)


def _one_thread() -> AbstractContextManager[object]:
    """Boost and predict in one thread: several are slower for so few rows, ten times on a busy machine."""
    # Only libraries that are loaded by now are limited.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _pipeline(inputs: ModelInputs, training: "pd.DataFrame", trees: int) -> "Pipeline":
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    # A feature without any value yet stays an input, and says nothing.
    numbers = [name for name in inputs.numbers if training[name].notna().any()]
    encoders: list[tuple[str, Any, list[str]]] = [("numbers", "passthrough", numbers)] if numbers else []
    # A category that is not known has no column of its own: it is zero in all of them.
    for name, categories in inputs.categories.items():
        if categories:
            settings = {"handle_unknown": "ignore", "sparse_output": False, "dtype": np.float64}
            encoders.append((name, OneHotEncoder(categories=[list(categories)], **settings), [name]))
    boost = HistGradientBoostingClassifier(max_iter=trees, **PARAMETERS)
    return Pipeline([("encode", ColumnTransformer(encoders)), ("boost", boost)])


def _best_number_of_trees(pipeline: "Pipeline", columns: "pd.DataFrame", labels: NDArray[np.int64]) -> int:
    from sklearn.metrics import log_loss

    encoded = pipeline[:-1].transform(columns)
    stages = pipeline[-1].staged_predict_proba(encoded)
    losses = [log_loss(labels, staged, labels=[0, 1]) for staged in stages]
    return int(np.argmin(losses)) + 1
