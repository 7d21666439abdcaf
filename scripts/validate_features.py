"""Check the data that the next materialization would take, and write nothing.

    python scripts/validate_features.py              exit status 1 where a rule is broken, or the data drifted
    python scripts/validate_features.py --json FILE  write the figures to a file, too

The rules are the types and tags in feature_repo/features.py. Drift is measured against what the served
model was trained on; a feature is held to its tag max_psi. Needs no Cassandra and no registry.
"""

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from poc.command_line import argument_parser, fail, note, ok, run
from poc.output import require_writable, write_json
from poc.settings import load_settings

if TYPE_CHECKING:
    from poc.monitoring.validation import ValidatedDataset


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the drift's figures")
    arguments = parser.parse_args()
    if arguments.json is not None:
        require_writable(arguments.json)
    settings = load_settings()
    note("Loading Feast ...")
    from poc.feature_store import declared_service
    from poc.model.reference import reference_path
    from poc.monitoring.drift import describe_missing_reference, drift_document
    from poc.monitoring.validation import validate_service

    validated = validate_service(settings, declared_service(settings), datetime.now(timezone.utc))
    if arguments.json is not None:
        views = [
            {
                "feature_view": found.checked.definitions.view,
                "records": found.checked.table.num_rows,
                "drift": drift_document(found.drift),
            }
            for found in validated
        ]
        write_json({"views": views}, arguments.json)
    drifted = [_show(found) for found in validated]
    if all(found.drift is None for found in validated):
        note(f"  {describe_missing_reference(reference_path(settings))}")
    if any(drifted):
        note("  If the change is meant: python scripts/feast_materialize.py --accept-drift, then train:")
        note("  python poc/train_fraud_model.py")
    return 1 if any(drifted) else 0


def _show(found: "ValidatedDataset") -> bool:
    """Say how the records of one view are; return whether they drifted."""
    from poc.monitoring.drift import describe_drift, drift_table

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


if __name__ == "__main__":
    run(main)
