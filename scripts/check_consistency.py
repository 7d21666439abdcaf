"""Compare every entity, offline against online, in both stores: exit status 1 where one differs.

    python scripts/check_consistency.py                 names the first 20 differences of each store
    python scripts/check_consistency.py --shown 500 --json skew.json

The offline side is each source's latest row of an entity in the interval that was materialized last; the
online sides are Feast's online store, read by Feast's own call, and the direct table.
"""

from pathlib import Path

from poc.command_line import argument_parser, fail, note, ok, progress_bar, run, whole_number
from poc.output import require_writable, write_json
from poc.settings import load_settings


def main() -> int:
    parser = argument_parser(__doc__)
    shown = "differences to name (default: 20)"
    parser.add_argument("--shown", type=whole_number, default=20, metavar="N", help=shown)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write them, too")
    arguments = parser.parse_args()
    if arguments.json is not None:
        require_writable(arguments.json)
    settings = load_settings()
    note("Loading Feast ...")
    from poc.feature_store import close_feature_store, connection_of, open_feature_store
    from poc.materialization.attempts import materialization_lock
    from poc.online_store.session import cassandra_session
    from poc.quality.consistency import check_consistency, consistency_document, describe_view

    store = open_feature_store(settings)
    with (
        cassandra_session(connection_of(store)) as session,
        materialization_lock(settings.data_dir, note),
        progress_bar("Compared") as bar,
    ):
        views = check_consistency(settings, store, session, bar.update, arguments.shown)
    close_feature_store(store)

    if arguments.json is not None:
        write_json(consistency_document(views), arguments.json)
    for view in views:
        for check, described, rest in describe_view(view, alone=len(views) == 1):
            (fail if check.differing else ok)(described)
            for difference in check.differences:
                fail(f"  {difference}")
            for line in rest:
                note(f"  {line}")
        if view.offline_changed:
            note("  The offline rows are not those that were materialized. If a load was taken back, correct")
            note("  the source first; then: python scripts/feast_materialize.py")
        elif not view.holds:
            note("  Write everything anew: python scripts/feast_materialize.py --full")
            note("  What differs even then was written by something else, and later: see docs/validation.md")
    return 0 if all(view.holds for view in views) else 1


if __name__ == "__main__":
    run(main)
