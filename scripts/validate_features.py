"""Check the data that the next materialization would take, and write nothing.

    python scripts/validate_features.py              exit status 1 where a rule is broken, or the data drifted
    python scripts/validate_features.py --json FILE  write the figures to a file, too

The rules are the types and tags in feature_repo/features.py. Drift is measured against what the served
model was trained on; a feature is held to its tag max_psi. Needs no Cassandra and no registry.
"""

from datetime import datetime, timezone
from pathlib import Path

from poc.command_line import argument_parser, fail, note, ok, run
from poc.output import require_writable, write_json
from poc.settings import load_settings


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the drift's figures")
    arguments = parser.parse_args()
    if arguments.json is not None:
        require_writable(arguments.json)
    settings = load_settings()
    note("Loading Feast ...")
    from poc.definitions import read_definitions
    from poc.model.reference import reference_path
    from poc.monitoring.drift_report import (
        describe_drift,
        describe_missing_reference,
        drift_document,
        drift_table,
    )
    from poc.monitoring.validation import validate_dataset

    definitions = read_definitions(settings)
    found = validate_dataset(settings, definitions, datetime.now(timezone.utc))
    checked, drift = found.checked, found.drift
    ok(f"{checked.table.num_rows:,} records from {checked.origin} hold to every rule of {definitions.view}")
    if checked.changed:
        note(f"  {checked.path} does not hold them yet: the next materialization writes it")
    if arguments.json is not None:
        write_json({"records": checked.table.num_rows, "drift": drift_document(drift)}, arguments.json)
    if drift is None:
        note(f"  {describe_missing_reference(reference_path(settings))}")
        return 0
    print(drift_table(drift))
    (fail if drift.drifted else ok)(describe_drift(drift))
    if drift.drifted:
        note("  If the change is meant: python scripts/feast_materialize.py --accept-drift, then train:")
        note("  python poc/train_fraud_model.py")
    return 1 if drift.drifted else 0


if __name__ == "__main__":
    run(main)
