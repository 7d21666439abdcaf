"""Whether the ONNX form and scikit-learn's say the same, on every row there is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poc.errors import ScoresDisagree
from poc.model.inputs import ModelInputs, input_columns
from poc.model.pipeline import fraud_probabilities

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from poc.model.scoring import Scorer

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


def check_agreement(
    scorer: "Scorer", pipeline: "Pipeline", inputs: ModelInputs, rows: "pd.DataFrame"
) -> Agreement:
    """Score all `rows`, and variants of some with nulls and unknown categories, both ways.

    Raises:
        ScoresDisagree: a probability differs by more than rounding, or a decision at the scorer's
            threshold is another.
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


def _with_variants(inputs: ModelInputs, columns: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    varied = columns.iloc[:: max(1, len(columns) // VARIED_ROWS)]
    nulls = [varied.assign(**{name: np.nan}) for name in inputs.numbers]
    strings = [
        varied.assign(**{name: value}) for name in inputs.categories for value in (UNKNOWN_CATEGORY, "")
    ]
    everything: pd.DataFrame = pd.concat([columns, *nulls, *strings], ignore_index=True)
    return everything


def _as_served(columns: "pd.DataFrame") -> list[dict[str, float | str | None]]:
    """Return the rows as a server has them: plain values by name, None where one is null."""
    import pandas as pd

    values = columns.astype(object).where(pd.notna(columns) & (columns != ""), None)
    rows: list[dict[str, float | str | None]] = values.to_dict("records")
    return rows
