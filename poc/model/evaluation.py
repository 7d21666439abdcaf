"""How good the scores are, measured on transactions the model has not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poc.model.threshold import Costs

CALIBRATION_BINS = 8


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of one part against its labels.

    Attributes:
        pr_auc: area under the precision-recall curve, as average precision; a model that guesses gets
            the base rate.
        roc_auc: chance that a fraud scores higher than another transaction.
        brier: mean squared difference of probability and label.
        cost_without_model: what it costs to catch no fraud.
    """

    rows: int
    frauds: int
    pr_auc: float
    roc_auc: float
    brier: float
    threshold: float
    alarms: int
    caught: int
    cost: float
    cost_without_model: float

    @property
    def base_rate(self) -> float:
        """Share of fraud."""
        return self.frauds / self.rows

    @property
    def recall(self) -> float:
        """Share of the frauds that raise an alarm."""
        return self.caught / self.frauds

    @property
    def precision(self) -> float | None:
        """Share of the alarms that are fraud; None without alarms."""
        return self.caught / self.alarms if self.alarms else None

    def metrics(self) -> dict[str, float]:
        """Return the figures by name, without those that do not exist."""
        named: dict[str, float | None] = {
            "rows": self.rows,
            "frauds": self.frauds,
            "base_rate": self.base_rate,
            "pr_auc": self.pr_auc,
            "roc_auc": self.roc_auc,
            "brier": self.brier,
            "alarms": self.alarms,
            "precision": self.precision,
            "recall": self.recall,
            "cost": self.cost,
            "cost_without_model": self.cost_without_model,
        }
        return {name: float(value) for name, value in named.items() if value is not None}


def evaluate(
    scores: NDArray[np.float64], labels: NDArray[np.int64], threshold: float, costs: Costs
) -> Evaluation:
    """Measure `scores` (fraud probabilities) of transactions with these `labels` (1 is fraud)."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    alarms = scores >= threshold
    return Evaluation(
        rows=len(labels),
        frauds=int(labels.sum()),
        pr_auc=float(average_precision_score(labels, scores)),
        roc_auc=float(roc_auc_score(labels, scores)),
        brier=float(brier_score_loss(labels, scores)),
        threshold=threshold,
        alarms=int(alarms.sum()),
        caught=int(labels[alarms].sum()),
        cost=costs.of(alarms, labels),
        cost_without_model=costs.of(np.zeros_like(alarms), labels),
    )


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Transactions with neighbouring scores.

    Attributes:
        low: lower end of that share's 95 % interval (Wilson).
    """

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


def calibration(
    scores: NDArray[np.float64], labels: NDArray[np.int64], bins: int = CALIBRATION_BINS
) -> list[CalibrationBin]:
    """Compare predicted with observed fraud, from the lowest scores to the highest.

    Each bin is expected to hold the same number of frauds by its scores: bins of equally many rows
    would nearly all lie where there is no fraud to compare with.
    """
    order = np.argsort(scores, kind="stable")
    rising = scores[order]
    expected = np.cumsum(rising)
    place = np.minimum((expected / expected[-1] * bins).astype(int), bins - 1)
    # Equal scores stay together.
    place = place[np.searchsorted(rising, rising, side="left")]
    found = []
    for number in np.unique(place):
        part = order[place == number]
        low, high = wilson_interval(int(labels[part].sum()), len(part))
        found.append(
            CalibrationBin(float(scores[part].mean()), float(labels[part].mean()), low, high, rows=len(part))
        )
    return found


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, after E. B. Wilson (1927), JASA 22, 209-212."""
    z = 1.96
    share = hits / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    return max(0.0, middle - spread), min(1.0, middle + spread)
