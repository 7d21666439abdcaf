"""Drift: how far the values of a batch are from those that the model was trained on, feature by feature.

The measure is the population stability index, the sum over bins of (b - r) * ln(b / r), where r and b are
the shares of reference and batch. N. Siddiqi (Credit Risk Scorecards, 2006) reads up to 0.1 as no change,
0.1 to 0.25 as some, and more as a major one. In a small batch it is large by chance alone: without any
drift it is distributed as chi2(bins - 1) * (1/n + 1/m), n and m being the numbers of rows (B. Yurdakul,
Statistical Properties of Population Stability Index, 2018). So a feature counts as drifted where it is
both beyond its limit and beyond what chance gives in 999 of 1,000 batches of that size.

Pure calculation, and its words for a person: it reads no file and knows no store.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from scipy.special import chdtri

from poc.dataset.columns import arrow_type, read_max_psi
from poc.dataset.conversion import convert
from poc.dataset.distribution import Distribution, without_nan
from poc.definitions import Feature
from poc.model.reference import TrainingReference

CHANCE = 0.001
UNTRAINED = "the model was trained without it"
# Added to each count, so that an empty bin has a logarithm: half a row, as Jeffreys' prior has it.
_HALF_A_ROW = 0.5
_COLUMNS = ("feature", "PSI", "limit", "verdict", "largest change, or why none")

Verdict = Literal["drifted", "within", "too few rows", "no limit", "not compared"]


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """The drift of one feature.

    Attributes:
        verdict: `drifted` beyond limit and chance, `within` its limit, `too few rows` beyond the limit but
            not beyond chance, `no limit` where none is declared, `not compared` where there is no `psi`.
        psi: population stability index; None where the values cannot be compared.
        limit: its tag `max_psi`; None where not declared.
        chance: what it stays below in 999 of 1,000 batches of this size without drift; None with `psi`.
        change: where the most has changed, for a person.
        why_not: why there is no `psi`, for a person.
    """

    feature: str
    verdict: Verdict
    psi: float | None = None
    limit: float | None = None
    chance: float | None = None
    change: str = ""
    why_not: str = ""

    def __str__(self) -> str:
        if self.psi is None:
            return f"{self.feature}: {self.verdict} ({self.why_not})"
        limit = "" if self.limit is None else f" (limit {self.limit:g})"
        return f"{self.feature}: PSI {self.psi:.3f}{limit}, {self.change}"


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of a batch of `rows` from the training data of `model`.

    It has every declared feature, in declared order; all are `not compared` where there are no rows.
    """

    model: str
    rows: int
    features: tuple[FeatureDrift, ...]

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """The features for which the batch is to be refused."""
        return tuple(feature for feature in self.features if feature.verdict == "drifted")


def measure_drift(
    features: Sequence[Feature],
    reference: TrainingReference,
    batches: Iterable[pa.RecordBatch | pa.Table],
    untrained: Collection[str] = (),
) -> Drift:
    """Compare a batch with `reference`, in memory that does not grow with it.

    Its rows come in parts, with a column for each feature. `untrained` are names of features that the model
    does not take, though it may take others of that name. A tag `max_psi` that is no number above zero raises
    InvalidDefinitions.
    """
    limits = {feature.name: read_max_psi(feature) for feature in features}
    known = {
        feature.name: UNTRAINED if feature.name in untrained else _reference_of(feature, reference)
        for feature in features
    }
    comparable = {name: item for name, item in known.items() if isinstance(item, Distribution)}
    counts = {name: np.zeros(len(item.bins), np.int64) for name, item in comparable.items()}
    kinds = {feature.name: arrow_type(feature) for feature in features}
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for name, item in comparable.items():
            column = pa.chunked_array(pa.table(batch).column(name).chunks, batch.schema.field(name).type)
            counts[name] += item.bins.count(without_nan(convert(column, kinds[name])))
    compared = []
    for name, trained in known.items():
        if isinstance(trained, Distribution) and rows > 0:
            compared.append(_compared(name, trained, counts[name].tolist(), limits[name]))
        else:
            why_not = trained if isinstance(trained, str) else "the batch has no rows"
            compared.append(FeatureDrift(name, "not compared", limit=limits[name], why_not=why_not))
    return Drift(f"{reference.model_name} version {reference.model_version}", rows, tuple(compared))


def _reference_of(feature: Feature, reference: TrainingReference) -> Distribution | str:
    """Return what to compare `feature` with, or say why there is nothing."""
    known = reference.features.get(feature.name)
    if known is None:
        return UNTRAINED
    if known.dtype != str(feature.dtype):
        return f"it was {known.dtype} when the model was trained"
    if known.distribution is None:
        return "the training data has no value of it, or its type has no distribution"
    return known.distribution


def _compared(name: str, reference: Distribution, batch: Sequence[int], limit: float | None) -> FeatureDrift:
    parts = index_parts(reference.counts, batch)
    psi, chance = sum(parts), chance_limit(reference.counts, batch)
    verdict: Verdict = "within"
    if limit is None:
        verdict = "no limit"
    elif psi > limit:
        verdict = "drifted" if psi > chance else "too few rows"
    # One bin of rare values, one of nulls: that index may refuse a batch, and is not to let one pass.
    if len(reference.bins) == 2 and verdict != "drifted":
        why_not = "no value has 1 % of the training rows"
        return FeatureDrift(name, "not compared", limit=limit, why_not=why_not)
    most = int(np.argmax(parts))
    before, now = reference.counts[most] / sum(reference.counts), batch[most] / sum(batch)
    change = f"most at {reference.bins.labels()[most]}: {before:.1%} of rows before, {now:.1%} now"
    return FeatureDrift(name, verdict, psi, limit, chance, change)


def chance_limit(reference: Sequence[int], batch: Sequence[int]) -> float:
    """Return what the index of two such samples of one distribution exceeds once in 1,000 times."""
    freedom = max(np.count_nonzero(np.add(reference, batch)) - 1, 1)
    return float(chdtri(freedom, CHANCE)) * (1 / sum(reference) + 1 / sum(batch))


def index_parts(reference: Sequence[int], batch: Sequence[int]) -> list[float]:
    """Return what each bin adds to the population stability index of two counts, each with a row at least.

    A bin that neither has adds nothing.
    """
    added = _HALF_A_ROW * np.count_nonzero(np.add(reference, batch))
    first, second = sum(reference) + added, sum(batch) + added
    parts = []
    for one, other in zip(reference, batch, strict=True):
        before, now = (one + _HALF_A_ROW) / first, (other + _HALF_A_ROW) / second
        parts.append((now - before) * log(now / before) if one + other else 0.0)
    return parts


def drift_table(drift: Drift) -> str:
    """Lay out the features under each other, a line each."""
    rows = [_COLUMNS]
    for item in drift.features:
        psi = "" if item.psi is None else f"{item.psi:.3f}"
        limit = "" if item.limit is None else f"{item.limit:g}"
        change = "" if psi == "0.000" else item.change or item.why_not
        rows.append((item.feature, psi, limit, item.verdict, change))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def describe_missing_reference(path: Path) -> str:
    """Say in one line that drift is not checked as there is no `path`, and the way out."""
    return (
        f"No training reference in {path}: drift is not checked."
        " Train (python poc/train_fraud_model.py), or get it from where the served model was trained"
    )


def describe_drift(drift: Drift) -> str:
    """Say in one line how the batch compares."""
    against = f"from what {drift.model} was trained on"
    if drift.drifted:
        return f"{', '.join(feature.feature for feature in drift.drifted)} drifted {against}"
    unsure = sum(feature.verdict == "too few rows" for feature in drift.features)
    few = f"; {drift.rows:,} rows are too few to tell for {unsure} of them" if unsure else ""
    # A feature without a limit is not held to anything, whether it can be compared or not.
    unseen = [feature for feature in drift.features if feature.psi is None and feature.limit is not None]
    return f"No feature drifted {against}{few}{''.join(f'; {feature}' for feature in unseen)}"
