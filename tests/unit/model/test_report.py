import numpy as np
import pandas as pd

from poc.definitions import ServedFeatures
from poc.model.conversion import Agreement
from poc.model.evaluation import Costs, evaluate
from poc.model.examples import Examples, LeftOut
from poc.model.report import describe_agreement, describe_examples, describe_test, describe_threshold

TIMES = pd.to_datetime(["2026-11-19 19:21", "2026-11-20 00:00"], utc=True)
PART = pd.DataFrame({"event_timestamp": TIMES, "is_fraud": [0, 1]})
SCORES, LABELS = np.array([0.2, 0.6]), np.array([0, 1])


def examples(
    unlabelled: int, repeated: int, unmatched: int, keyless: int = 0, corrected: int = 0
) -> Examples:
    left_out = LeftOut(unlabelled, repeated, corrected, keyless, unmatched)
    return Examples(PART, ServedFeatures("v1", ()), left_out)


def test_rows_left_out_are_told() -> None:
    assert describe_examples(examples(1200, 0, 3, 2, 4)).splitlines()[1:] == [
        "    left out: 1,200 rows without a label",
        "    left out: 4 rows that a later one corrects",
        "    left out: 3 rows without features at their time",
        "    left out: 2 rows without one of their keys",
    ]


def test_nothing_left_out_is_not_mentioned() -> None:
    assert describe_examples(examples(0, 0, 0)) == (
        "Joined 2 labels to the features known at their time (feature service v1)"
    )


def test_threshold_is_told_with_its_costs() -> None:
    text = describe_threshold(evaluate(SCORES, LABELS, 0.4, Costs(200, 10)), Costs(200, 10))
    assert "threshold 0.4000" in text
    assert "200 a missed fraud and 10 a false alarm" in text


def test_figures_of_the_test_part_are_told_a_line_each() -> None:
    lines = describe_test(PART, evaluate(SCORES, LABELS, 0.4, Costs(200, 10))).splitlines()
    assert lines[0] == "Tested on the newest 2 rows (1 frauds), from 2026-11-19 19:21 UTC on"
    assert [line.split()[0] for line in lines[1:]] == ["PR-AUC", "Precision", "Recall", "Cost"]
    assert "100.0 %" in lines[2]


def test_precision_without_alarms_is_none() -> None:
    assert "Precision      none" in describe_test(PART, evaluate(SCORES, LABELS, 0.9, Costs()))


def test_agreement_is_told_with_its_size() -> None:
    assert "11,800 rows" in describe_agreement(Agreement(11800, 9e-8))
