import argparse

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poc.model.evaluation import Costs, cheapest_threshold, cost

SCORES = st.lists(
    st.tuples(st.sampled_from([0.01, 0.1, 0.3, 0.5, 0.9]), st.booleans()), min_size=1, max_size=30
)


def cost_at(threshold: float, scores: np.ndarray, labels: np.ndarray, costs: Costs) -> float:
    return costs.of(scores >= threshold, labels)


@given(rows=SCORES, alarm=st.floats(0.1, 50))
def test_no_other_threshold_costs_less(rows: list[tuple[float, bool]], alarm: float) -> None:
    scores, labels = np.array([row[0] for row in rows]), np.array([int(row[1]) for row in rows])
    costs = Costs(missed_fraud=20.0, false_alarm=alarm)
    chosen = cost_at(cheapest_threshold(scores, labels, costs), scores, labels, costs)
    others = [cost_at(other, scores, labels, costs) for other in (0.0, 0.05, 0.2, 0.4, 0.7, 1.0)]
    assert chosen == pytest.approx(min(others))


@given(rows=SCORES)
def test_no_score_lies_on_the_threshold(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([row[0] for row in rows]), np.array([int(row[1]) for row in rows])
    threshold = cheapest_threshold(scores, labels, Costs())
    assert 0 < threshold < 1
    assert threshold not in scores


def test_dearer_frauds_lower_the_threshold() -> None:
    scores, labels = np.array([0.9, 0.6, 0.5, 0.4, 0.2]), np.array([1, 0, 0, 1, 0])
    assert cheapest_threshold(scores, labels, Costs(10, 20)) == pytest.approx(0.75)
    assert cheapest_threshold(scores, labels, Costs(100, 20)) == pytest.approx(0.3)


def test_of_equal_costs_the_fewest_alarms_win() -> None:
    assert cheapest_threshold(np.array([0.8, 0.6]), np.array([0, 1]), Costs(10, 10)) == pytest.approx(0.9)


def test_costs_count_both_mistakes() -> None:
    alarms, labels = np.array([True, True, False, False]), np.array([1, 0, 1, 0])
    assert Costs(missed_fraud=7.0, false_alarm=2.0).of(alarms, labels) == 9.0


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "much", ""])
def test_what_is_no_cost_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text!r} is no finite number above 0$"):
        cost(text)
