"""A training in words: each text says what was done and what was measured."""

from typing import TYPE_CHECKING

from poc.dataset.label import LABEL
from poc.model.agreement import Agreement
from poc.model.evaluation import Evaluation
from poc.model.examples import Examples, time_span
from poc.model.pipeline import number_of_trees
from poc.model.threshold import Costs

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


def describe_examples(examples: Examples) -> str:
    """Say how many labels found their features, and which did not."""
    counted = (
        (examples.unlabelled, "without a label"),
        (examples.repeated, "that share id and time with another"),
        (examples.unmatched, "without features at their time"),
        (examples.keyless, "without one of their keys"),
    )
    left_out = "".join(f"\n    left out: {rows:,} rows {why}" for rows, why in counted if rows)
    return (
        f"Joined {len(examples.rows):,} labels to the features known at their time"
        f" (feature service {examples.served.service}){left_out}"
    )


def describe_fit(training: "pd.DataFrame", pipeline: "Pipeline") -> str:
    """Say what the model was fitted on."""
    return (
        f"Trained on {len(training):,} rows ({int(training[LABEL].sum()):,} frauds)"
        f" until {time_span(training)[1]:%Y-%m-%d %H:%M} UTC: {number_of_trees(pipeline)} trees"
    )


def describe_threshold(validation: Evaluation, costs: Costs) -> str:
    """Say which threshold was chosen, and by what."""
    return (
        f"Chose the threshold {validation.threshold:.4f} on the next {validation.rows:,} rows"
        f" ({validation.frauds:,} frauds): the cheapest, at {costs.missed_fraud:g} a missed fraud"
        f" and {costs.false_alarm:g} a false alarm"
    )


def describe_test(part: "pd.DataFrame", test: Evaluation) -> str:
    """Word the figures of the newest part, a line each."""
    precision = "none" if test.precision is None else f"{test.precision * 100:.1f} %"
    figures = (
        ("PR-AUC", f"{test.pr_auc:.3f}", f"guessing gives the share of fraud, {test.base_rate:.3f}"),
        ("Precision", precision, f"{test.caught:,} of {test.alarms:,} alarms are fraud"),
        ("Recall", f"{test.recall * 100:.1f} %", f"{test.caught:,} of {test.frauds:,} frauds raise an alarm"),
        ("Cost", f"{test.cost:,.0f}", f"{test.cost_without_model:,.0f} without a model"),
    )
    lines = "".join(f"\n    {name:<10} {value:>8}   {meaning}" for name, value, meaning in figures)
    return (
        f"Tested on the newest {test.rows:,} rows ({test.frauds:,} frauds),"
        f" from {time_span(part)[0]:%Y-%m-%d %H:%M} UTC on{lines}"
    )


def describe_agreement(agreement: Agreement) -> str:
    """Say that the ONNX form decides as scikit-learn does; only true agreements exist."""
    return (
        f"ONNX agrees with scikit-learn on {agreement.rows:,} rows: no decision flipped,"
        f" scores differ by at most {agreement.largest_difference:.0e}"
    )
