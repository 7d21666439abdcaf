"""The drift of a batch for a person, as a table, and for a program, as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from poc.monitoring.drift import Drift, FeatureDrift

_COLUMNS = ("feature", "PSI", "limit", "verdict", "largest change, or why none")


def drift_table(drift: Drift) -> str:
    """Lay out the features under each other, a line each."""
    rows = [_COLUMNS, *(_cells(feature) for feature in drift.features)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


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
    blind = "".join(f"; {feature}" for feature in unseen)
    return f"No feature drifted {against}{few}{blind}"


def drift_document(drift: Drift | None) -> dict[str, Any] | None:
    """Give the figures for JSON."""
    return None if drift is None else asdict(drift)


def _cells(feature: FeatureDrift) -> tuple[str, ...]:
    psi = "" if feature.psi is None else f"{feature.psi:.3f}"
    limit = "" if feature.limit is None else f"{feature.limit:g}"
    change = "" if psi == "0.000" else feature.change or feature.why_not
    return (feature.feature, psi, limit, feature.verdict, change)
