from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from poc.errors import ScoresDisagree
from poc.model.conversion import VARIED_ROWS, check_agreement, to_onnx
from poc.model.pipeline import fit_pipeline, fraud_probabilities
from poc.model.scoring import Scorer, open_scorer


def test_every_row_and_variants_with_nulls_and_unknown_categories_are_compared(
    trained: Any, scorer: Scorer
) -> None:
    agreement = check_agreement(scorer, trained.pipeline, trained.inputs, trained.rows)
    # Three numbers with a null each, two strings with a null and an unknown category each.
    assert agreement.rows >= len(trained.rows) + 7 * VARIED_ROWS
    assert agreement.largest_difference < 1e-6


def test_scores_of_another_model_are_refused(trained: Any, scorer: Scorer) -> None:
    columns, others = trained.columns, 1 - trained.labels
    other = fit_pipeline(trained.inputs, columns, others, columns, others)
    with pytest.raises(ScoresDisagree, match="differ by up to"):
        check_agreement(scorer, other, trained.inputs, trained.rows)


def test_flipped_decision_is_refused_however_small_the_difference(trained: Any) -> None:
    scores = fraud_probabilities(trained.pipeline, trained.columns)
    rounded_down = scores[scores.astype(np.float32) < scores]
    facts = replace(trained.facts, threshold=float(rounded_down[0]))
    scorer = open_scorer(to_onnx(trained.pipeline, facts), name="fraud", version="1")
    with pytest.raises(ScoresDisagree, match=r"decides [1-9]"):
        check_agreement(scorer, trained.pipeline, trained.inputs, trained.rows)
