"""What a typical transaction looks like: the middle number, the most frequent string."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from poc.model.inputs import ModelInputs
from poc.model.scoring import NULL_STRING

if TYPE_CHECKING:
    import pandas as pd


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
