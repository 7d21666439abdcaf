"""From which probability on an alarm is worth its cost, and how good scores are on unseen transactions."""

import argparse
import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def cost(text: str) -> float:
    """Read a cost from the command line: a finite number above 0, or an ArgumentTypeError."""
    with suppress(ValueError):
        if 0 < (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is no finite number above 0")


@dataclass(frozen=True, slots=True)
class Costs:
    """What being wrong costs, in the card's currency.

    The defaults stand for a payment lost with its fees, and for an analyst's few minutes: with them an
    alarm pays from a probability of about 1 in 20 on.
    """

    missed_fraud: float = 200.0
    false_alarm: float = 10.0

    def of(self, alarms: NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
        """Sum the costs of `alarms` on transactions with these `labels` (1 is fraud)."""
        frauds = labels == 1
        missed, false = int((frauds & ~alarms).sum()), int((~frauds & alarms).sum())
        return missed * self.missed_fraud + false * self.false_alarm


def cheapest_threshold(scores: NDArray[np.float64], labels: NDArray[np.int64], costs: Costs) -> float:
    """Find the threshold (inclusive) at which `scores` cost least; of equal ones, that with fewest alarms.

    It lies midway between two scores, so that no row sits on it and rounding decides nothing.
    """
    order = np.argsort(-scores, kind="stable")
    falling, frauds = scores[order], labels[order] == 1
    # Entry k: the cost when the k highest scores raise an alarm.
    false = np.concatenate([[0], np.cumsum(~frauds)])
    missed = frauds.sum() - np.concatenate([[0], np.cumsum(frauds)])
    cost = false * costs.false_alarm + missed * costs.missed_fraud
    bounds = np.concatenate([[1.0], falling, [0.0]])
    # No threshold can part equal scores.
    cost = np.where(bounds[:-1] > bounds[1:], cost, np.inf)
    alarms = int(np.argmin(cost))
    return float((bounds[alarms] + bounds[alarms + 1]) / 2)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of one part against its labels.

    Attributes:
        base_rate: share of fraud.
        pr_auc: area under the precision-recall curve, as average precision; a model that guesses gets
            the base rate.
        roc_auc: chance that a fraud scores higher than another transaction.
        brier: mean squared difference of probability and label.
        precision: share of the alarms that are fraud; None without alarms.
        recall: share of the frauds that raise an alarm.
        cost_without_model: what it costs to catch no fraud.
    """

    rows: int
    frauds: int
    base_rate: float
    pr_auc: float
    roc_auc: float
    brier: float
    threshold: float
    alarms: int
    caught: int
    precision: float | None
    recall: float
    cost: float
    cost_without_model: float

    def metrics(self) -> dict[str, float]:
        """Return what was measured by name, without what does not exist."""
        measured = asdict(self).items()
        others = ("threshold", "caught")
        return {name: float(value) for name, value in measured if value is not None and name not in others}


def evaluate(
    scores: NDArray[np.float64], labels: NDArray[np.int64], threshold: float, costs: Costs
) -> Evaluation:
    """Measure `scores` (fraud probabilities) of transactions with these `labels` (1 is fraud)."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    raised, frauds = scores >= threshold, int(labels.sum())
    alarms, caught = int(raised.sum()), int(labels[raised].sum())
    return Evaluation(
        rows=len(labels),
        frauds=frauds,
        base_rate=frauds / len(labels),
        pr_auc=float(average_precision_score(labels, scores)),
        roc_auc=float(roc_auc_score(labels, scores)),
        brier=float(brier_score_loss(labels, scores)),
        threshold=threshold,
        alarms=alarms,
        caught=caught,
        precision=caught / alarms if alarms else None,
        recall=caught / frauds,
        cost=costs.of(raised, labels),
        cost_without_model=costs.of(np.zeros_like(raised), labels),
    )


CALIBRATION_GROUPS = 8


def calibration(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> "pd.DataFrame":
    """Compare predicted with observed fraud in groups of neighbouring scores, from the lowest to the highest.

    Each group is expected to hold the same number of frauds by its scores: groups of equally many rows
    would nearly all lie where there is no fraud to compare with.

    Returns: Of each group the mean score `predicted`, the share `observed`, its 95 % interval from `low` to
        `high`, that of E. B. Wilson (1927), JASA 22, 209-212, and its `rows`.
    """
    # Their import takes a second, and who loads a model does not need them.
    import pandas as pd
    from scipy.stats import binomtest

    order = np.argsort(scores, kind="stable")
    rising = scores[order]
    expected = np.cumsum(rising)
    place = np.minimum((expected / expected[-1] * CALIBRATION_GROUPS).astype(int), CALIBRATION_GROUPS - 1)
    # Equal scores stay together.
    place = place[np.searchsorted(rising, rising, side="left")]
    groups = pd.DataFrame({"predicted": rising, "observed": labels[order]}).groupby(place)
    counted = zip(groups["observed"].sum(), groups.size(), strict=True)
    intervals = [binomtest(frauds, rows).proportion_ci(0.95, "wilson") for frauds, rows in counted]
    low, high = np.transpose(intervals)
    found: pd.DataFrame = groups.mean().assign(low=low, high=high, rows=groups.size())
    return found
