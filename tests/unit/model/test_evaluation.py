import numpy as np
import pytest

from poc.model.evaluation import Costs, calibration, evaluate

SCORES = np.array([0.9, 0.8, 0.6, 0.4, 0.2, 0.1])
LABELS = np.array([1, 0, 1, 0, 1, 0])


def test_figures_at_the_threshold() -> None:
    found = evaluate(SCORES, LABELS, 0.6, Costs(missed_fraud=100, false_alarm=10))
    assert (found.rows, found.frauds, found.alarms, found.caught) == (6, 3, 3, 2)
    assert (found.precision, found.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (found.cost, found.cost_without_model) == (110.0, 300.0)


def test_pr_auc_is_the_average_precision() -> None:
    # Precision at each fraud: 1/1, 2/3, 3/5.
    assert evaluate(SCORES, LABELS, 0.5, Costs()).pr_auc == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_precision_without_alarms_does_not_exist() -> None:
    found = evaluate(SCORES, LABELS, 0.95, Costs())
    assert found.precision is None
    assert "precision" not in found.metrics()
    assert found.metrics()["recall"] == 0.0


def test_calibration_covers_every_row_once_from_low_to_high() -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(0.3, 5, 3000)
    groups = calibration(scores, (rng.random(3000) < scores).astype(np.int64))
    assert groups["rows"].sum() == 3000
    assert groups["predicted"].is_monotonic_increasing


def test_probabilities_that_hold_lie_within_the_intervals() -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(0.3, 5, 20_000)
    groups = calibration(scores, (rng.random(20_000) < scores).astype(np.int64))
    assert groups["predicted"].between(groups["low"], groups["high"]).sum() >= len(groups) - 1


def test_equal_scores_are_one_group() -> None:
    groups = calibration(np.full(50, 0.1), np.array([1] * 5 + [0] * 45))
    assert groups[["rows", "observed"]].to_numpy().tolist() == [[50, 0.1]]


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_interval_of_a_group_has_the_published_values(
    hits: int, trials: int, low: float, high: float
) -> None:
    [group] = calibration(np.full(trials, 0.1), np.array([1] * hits + [0] * (trials - hits))).itertuples()
    assert (group.low, group.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
