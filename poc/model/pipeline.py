"""Which features the model takes, in which form, and the scikit-learn pipeline: encode strings, boost trees.

Numbers and booleans go in as doubles, missing ones as NaN; strings by their categories. The inputs are
ordered by name: the order in which Feast answers comes from a set. Trees are kept small and their number is
taken from the validation part: with about a hundred frauds to learn from, scikit-learn's default of 31
leaves overfits, in order and in calibration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from poc.dataset.columns import read_limits
from poc.definitions import DECLARED_IN, Feature
from poc.errors import InvalidDefinitions
from poc.model.scoring import NULL_STRING, OUTPUT

NUMBERS = frozenset({"Float32", "Float64", "Int32", "Int64", "Bool"})
STRING = "String"
# What a string feature without declared `values` can be told apart by; rarer values are unknown ones.
MOST_LEARNED_CATEGORIES = 50


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The inputs of one model, sorted by name; each string with the values that it knows."""

    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All inputs, sorted by name."""
        return tuple(sorted((*self.numbers, *self.categories)))


def model_inputs(features: Sequence[Feature], training: pd.DataFrame) -> ModelInputs:
    """Turn every one of `features` into an input.

    A string's categories are its declared `values`; where none are declared, its most frequent values
    in `training`.

    Raises InvalidDefinitions: a feature is neither a number, a boolean nor a string, or a tag is wrong.
    """
    if any(feature.name == OUTPUT for feature in features):
        reason = f"{OUTPUT} is what the model answers, and cannot be an input: call the feature otherwise"
        raise InvalidDefinitions(DECLARED_IN, reason)
    numbers: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    for feature in sorted(features, key=lambda item: item.name):
        if str(feature.dtype) in NUMBERS:
            numbers.append(feature.name)
        elif str(feature.dtype) == STRING:
            known = read_limits(feature).values
            if known is None:
                found = training[feature.name]
                counted = found[found != NULL_STRING].value_counts()
                known = tuple(sorted(map(str, counted.index[:MOST_LEARNED_CATEGORIES])))
            categories[feature.name] = known
        else:
            reason = f"the model cannot take {feature.name}, a {feature.dtype}"
            raise InvalidDefinitions(DECLARED_IN, f"{reason}: leave it out of the feature service")
    return ModelInputs(tuple(numbers), categories)


def input_columns(inputs: ModelInputs, features: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `features` that are inputs, in order, in the form that the model takes."""
    columns: pd.DataFrame = features[list(inputs.names)].astype(dict.fromkeys(inputs.numbers, "float64"))
    for name in inputs.categories:
        # Through a list: pandas would make a null that stands in for a string a NaN, which is a number.
        values = [value if isinstance(value, str) else NULL_STRING for value in columns[name]]
        columns[name] = pd.Series(values, columns.index, dtype=object)
    return columns


def typical_values(inputs: ModelInputs, columns: pd.DataFrame) -> Mapping[str, float | str | None]:
    """Return a typical value of each input: one that occurs, or None where it is mostly null."""
    typical: dict[str, float | str | None] = {}
    for name in inputs.names:
        column = columns[name]
        if name in inputs.categories:
            most = str(column.mode().iloc[0])
            typical[name] = None if most == NULL_STRING else most
        else:
            # Of two in the middle the lower: half a payment, or an hour of 11.5, is not typical.
            known = column.dropna()
            mostly_null = 2 * len(known) < len(column)
            typical[name] = None if mostly_null else float(known.quantile(0.5, interpolation="lower"))
    return typical


# To boost and predict in: several are slower for so few rows, ten times on a busy machine.
ONE_THREAD = 1
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
    training: pd.DataFrame,
    labels: NDArray[np.int64],
    validation: pd.DataFrame,
    validation_labels: NDArray[np.int64],
) -> Pipeline:
    """Fit on `training`, of `input_columns`, with as many trees as give `validation` the least log loss."""
    with threadpool_limits(ONE_THREAD):
        longest = _pipeline(inputs, training, MOST_TREES).fit(training, labels)
        stages = longest[-1].staged_predict_proba(longest[:-1].transform(validation))
        losses = [log_loss(validation_labels, staged, labels=[0, 1]) for staged in stages]
        return _pipeline(inputs, training, int(np.argmin(losses)) + 1).fit(training, labels)


def fraud_probabilities(pipeline: Pipeline, columns: pd.DataFrame) -> NDArray[np.float64]:
    """Return scikit-learn's fraud probability of each row of `columns`."""
    with threadpool_limits(ONE_THREAD):
        probabilities: NDArray[np.float64] = pipeline.predict_proba(columns)[:, 1]
    return probabilities


def number_of_trees(pipeline: Pipeline) -> int:
    """Tell how many trees were boosted."""
    return int(pipeline[-1].n_iter_)


def _pipeline(inputs: ModelInputs, training: pd.DataFrame, trees: int) -> Pipeline:
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
