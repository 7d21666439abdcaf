"""Compare every transaction, offline against online, in both stores: exit status 1 where one differs.

    python scripts/check_consistency.py                 names the first 20 differences of each store
    python scripts/check_consistency.py --shown 500 --json skew.json

The offline side is the Parquet's latest row of each transaction in the interval that was materialized
last; the online sides are Feast's online store and the direct table, read as the servers read them.
"""

from pathlib import Path

from poc.arguments import whole_number
from poc.command_line import argument_parser, fail, note, ok, progress_bar, run
from poc.database.endpoint import configured_endpoint
from poc.database.sessions import cassandra_session, driver_errors_as_unavailable
from poc.output import require_writable, write_json
from poc.settings import load_settings


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--shown", type=whole_number, default=20, metavar="N", help="differences to name; 20")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write them, too")
    arguments = parser.parse_args()
    if arguments.json is not None:
        require_writable(arguments.json)
    settings = load_settings()
    endpoint = configured_endpoint(settings)

    with cassandra_session(endpoint) as session, driver_errors_as_unavailable(endpoint):
        note("Loading Feast ...")
        from poc.feature_store import open_feature_store
        from poc.materialization.lock import materialization_lock
        from poc.monitoring.consistency import check_consistency
        from poc.monitoring.consistency_report import consistency_document, describe_rest, describe_store

        with materialization_lock(settings.data_dir, note), progress_bar("Compared") as progress:
            store = open_feature_store(settings)
            found = check_consistency(settings, store, session, progress, arguments.shown)

    if arguments.json is not None:
        write_json(consistency_document(found), arguments.json)
    for check in found.stores:
        (fail if check.differing else ok)(describe_store(check))
        for skew in check.shown:
            fail(f"  {skew}")
        for line in describe_rest(check):
            note(f"  {line}")
    if found.offline_changed:
        note("  The offline rows are not those that were materialized: python scripts/feast_materialize.py")
    elif not found.holds:
        note("  Write everything anew: python scripts/feast_materialize.py --full")
        note("  What differs even then was written by something else, and later: see docs/validation.md")
    return 0 if found.holds else 1


if __name__ == "__main__":
    run(main)
