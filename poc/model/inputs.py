"""Which features the model takes, and in which form.

Numbers and booleans go in as doubles, missing ones as NaN; strings by their categories. The inputs
are ordered by name: the order in which Feast answers comes from a set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poc.dataset.limits import read_limits
from poc.definitions import DECLARED_IN, Feature
from poc.errors import InvalidDefinitions
from poc.model.scoring import NULL_STRING

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = frozenset({"Float32", "Float64", "Int32", "Int64", "Bool"})
STRING = "String"
# What a string feature without declared `values` can be told apart by; rarer values are unknown ones.
MOST_LEARNED_CATEGORIES = 50


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The inputs of one model.

    Attributes:
        categories: those that are strings, sorted by name, each with the values it knows.
    """

    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All inputs, sorted by name."""
        return tuple(sorted((*self.numbers, *self.categories)))


def model_inputs(features: Sequence[Feature], training: "pd.DataFrame") -> ModelInputs:
    """Turn every one of `features` into an input.

    A string's categories are its declared `values`; where none are declared, its most frequent values
    in `training`.

    Raises InvalidDefinitions: a feature is neither a number, a boolean nor a string, or a tag is wrong.
    """
    numbers: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    for feature in sorted(features, key=lambda item: item.name):
        if str(feature.dtype) in NUMBERS:
            numbers.append(feature.name)
        elif str(feature.dtype) == STRING:
            declared = read_limits(feature).values
            found = training[feature.name]
            categories[feature.name] = _frequent_values(found) if declared is None else declared
        else:
            reason = f"the model cannot take {feature.name}, a {feature.dtype}"
            raise InvalidDefinitions(DECLARED_IN, f"{reason}: leave it out of the feature service")
    return ModelInputs(tuple(numbers), categories)


def input_columns(inputs: ModelInputs, features: "pd.DataFrame") -> "pd.DataFrame":
    """Return the columns of `features` that are inputs, in order, in the form that the model takes."""
    columns: pd.DataFrame = features[list(inputs.names)].copy()
    for name in inputs.numbers:
        columns[name] = columns[name].astype("float64")
    for name in inputs.categories:
        # Through a list: pandas would make a null that stands in for a string a NaN, which is a number.
        values = [value if isinstance(value, str) else NULL_STRING for value in columns[name]]
        columns[name] = columns[name].astype(object)
        columns[name] = values
    return columns


def _frequent_values(column: "pd.Series[str]") -> tuple[str, ...]:
    counted = column[column != NULL_STRING].value_counts()
    return tuple(sorted(str(value) for value in counted.index[:MOST_LEARNED_CATEGORIES]))


def typical_values(inputs: ModelInputs, columns: "pd.DataFrame") -> "Mapping[str, float | str | None]":
    """Return the typical value of each input: one that occurs, or None where it is mostly null.

    Args:
        columns: the training part, in the form that `poc.model.inputs.input_columns` gives.
    """
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
