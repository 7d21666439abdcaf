"""Whether batches hold to the rules and how far they drifted: for a person, and for a program, as JSON."""

from collections.abc import Sequence
from typing import Any

from poc.command_line import fail, note, ok
from poc.monitoring.drift_report import describe_drift, drift_document, drift_table
from poc.monitoring.validation import ValidatedDataset


def tell_validated(found: ValidatedDataset) -> bool:
    """Tell how the records of one view are; return whether they drifted."""
    checked, drift = found.checked, found.drift
    view = checked.definitions.view
    ok(f"{checked.table.num_rows:,} records from {checked.origin} hold to every rule of {view}")
    if checked.changed:
        note(f"  {checked.path} does not hold them yet: the next materialization writes it")
    if drift is None:
        return False
    print(drift_table(drift))
    (fail if drift.drifted else ok)(describe_drift(drift))
    return bool(drift.drifted)


def validation_document(validated: Sequence[ValidatedDataset]) -> dict[str, Any]:
    """Return the figures of every view for JSON."""
    views = [
        {
            "feature_view": found.checked.definitions.view,
            "records": found.checked.table.num_rows,
            "drift": drift_document(found.drift),
        }
        for found in validated
    ]
    return {"views": views}
