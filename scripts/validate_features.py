"""Check the data that the next materialization would take, and write nothing.

    python scripts/validate_features.py              exit status 1 where a rule is broken, or the data drifted
    python scripts/validate_features.py --json FILE  write the figures to a file, too

The rules are the types and tags in feature_repo/features.py. Drift is measured against what the served
model was trained on; a feature is held to its tag max_psi. Needs no Cassandra and no registry.
"""

from datetime import datetime, timezone
from pathlib import Path

from poc.command_line import argument_parser, note, run
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
    from poc.model.reference import reference_path
    from poc.quality.drift import describe_missing_reference
    from poc.quality.validation import tell_validated, validate_service, validation_document
    from poc.repository import declared_service

    validated = validate_service(settings, declared_service(settings), datetime.now(timezone.utc))
    if arguments.json is not None:
        write_json(validation_document(validated), arguments.json)
    drifted = [tell_validated(found) for found in validated]
    if all(found.drift is None for found in validated):
        note(f"  {describe_missing_reference(reference_path(settings))}")
    if any(drifted):
        note("  If that is meant, take it: python scripts/feast_materialize.py --accept-drift --replace")
        note("  and train: python poc/train_fraud_model.py")
    return 1 if any(drifted) else 0


if __name__ == "__main__":
    run(main)
