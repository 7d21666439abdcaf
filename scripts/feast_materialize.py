"""Materialize features: from the prepared Parquet into the online store and the direct table.

    python scripts/feast_materialize.py          what is not stale; later, what is new since the last run
    python scripts/feast_materialize.py --full   what is not stale, in place of what was stored
    python scripts/feast_materialize.py --full --replace   also where that first empties a table
    python scripts/feast_materialize.py --full --view NAME   of one view alone, of the service or not
    python scripts/feast_materialize.py --until 2026-11-02T00:00:00   what is new and before that; once
    python scripts/feast_materialize.py --start 2026-11-01T00:00:00 --end 2026-11-02T00:00:00
    python scripts/feast_materialize.py --generations   what the row store keeps of full runs
    python scripts/feast_materialize.py --rollback      serve again what was served before the last of them

Not stale is what is within the view's ttl: everything where it has none. Times are UTC unless they say
otherwise; the end is exclusive, and now at the latest. Rows that break a rule or drifted are refused, and a
sample is read back: exit status 1 where it differs. An interrupted run is made good by the next.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, note, parse_time, run
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--full", action="store_true", help="what is not stale, in place of what was stored")
    parser.add_argument("--replace", action="store_true", help="empty a table that cannot be replaced")
    parser.add_argument("--view", metavar="NAME", help="fill that view alone, of the service or not")
    parser.add_argument("--start", type=parse_time, metavar="TIME", help="begin of the interval")
    parser.add_argument("--end", type=parse_time, metavar="TIME", help="end of it; now when not given")
    parser.add_argument("--until", type=parse_time, metavar="TIME", help="leave out what is not before it")
    parser.add_argument("--accept-drift", action="store_true", help="take rows that drifted, too")
    parser.add_argument("--generations", action="store_true", help="list what the row store keeps")
    parser.add_argument("--rollback", action="store_true", help="serve the generation before again")
    arguments = parser.parse_args()
    if arguments.until is not None and (arguments.full or arguments.start or arguments.end):
        parser.error("--until stands alone")
    if arguments.view is not None and (arguments.generations or arguments.rollback):
        parser.error("--view is of what is filled; generations are those of every view of the service")
    end = min(time for time in (arguments.end, datetime.now(timezone.utc)) if time is not None)
    if arguments.start is not None and arguments.start >= end:
        parser.error(f"--start is not before the end, {end.isoformat()}: rows in the future wait")
    settings = load_settings()

    note("Loading Feast ...")
    from poc.materialization.rebuild import list_generations, roll_back

    if arguments.generations:
        list_generations(settings)
    elif arguments.rollback:
        roll_back(settings)
    else:
        from poc.materialization.plan import RunOptions
        from poc.quality.validation import materialize

        bounds = (arguments.start, arguments.end, arguments.until)
        options = RunOptions(arguments.full, *bounds, arguments.replace, arguments.view)
        materialize(settings, options, accept_drift=arguments.accept_drift)


if __name__ == "__main__":
    run(main)
