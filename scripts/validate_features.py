"""Check the data that the next materialization would take, and write nothing.

    python scripts/validate_features.py   exit status 1 where a rule is broken, with its rows and columns

The rules are the types and tags in feature_repo/features.py. Needs no Cassandra and no registry.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, note, ok, run
from poc.settings import load_settings


def main() -> None:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    note("Loading Feast ...")
    from poc.dataset.prepare import check_dataset
    from poc.definitions import read_definitions

    definitions = read_definitions(settings)
    checked = check_dataset(definitions, settings.data_dir, datetime.now(timezone.utc))
    ok(f"{checked.table.num_rows:,} records from {checked.origin} hold to every rule of {definitions.view}")
    if checked.changed:
        note(f"  {checked.path} does not hold them yet: the next materialization writes it")


if __name__ == "__main__":
    run(main)
