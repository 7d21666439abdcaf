"""From which probability on an alarm is worth its cost."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def cost(text: str) -> float:
    """Read a cost from the command line: a finite number above 0.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


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
        missed = int((frauds & ~alarms).sum())
        false = int((~frauds & alarms).sum())
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
