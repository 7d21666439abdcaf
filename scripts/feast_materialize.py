"""Materialize features: from the prepared Parquet into the online store and the direct table.

    python scripts/feast_materialize.py          what is not stale; later, what is new since the last run
    python scripts/feast_materialize.py --full   what is not stale, whatever was done before
    python scripts/feast_materialize.py --until 2026-11-02T00:00:00   what is new and before that; once
    python scripts/feast_materialize.py --start 2026-11-01T00:00:00 --end 2026-11-02T00:00:00
    python scripts/feast_materialize.py --remake-direct   and make the direct table for the present types

Not stale is what is within the view's ttl: everything where it has none. Times are UTC unless they say
otherwise; the end is exclusive, and now at the latest. Rows that break a rule or drifted are refused, and a
sample is read back: exit status 1 where it differs. An interrupted run is made good by the next.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, hide_bars_of_others, note, parse_time, progress_bar, run
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--full", action="store_true", help="what is not stale, whatever was done before")
    parser.add_argument("--start", type=parse_time, metavar="TIME", help="begin of the interval")
    parser.add_argument("--end", type=parse_time, metavar="TIME", help="end of it; now when not given")
    parser.add_argument("--until", type=parse_time, metavar="TIME", help="leave out what is not before it")
    parser.add_argument("--accept-drift", action="store_true", help="take rows that drifted, too")
    parser.add_argument("--remake-direct", action="store_true", help="drop the direct table, and fill it")
    arguments = parser.parse_args()
    if arguments.until is not None and (arguments.full or arguments.start or arguments.end):
        parser.error("--until stands alone")
    end = min(time for time in (arguments.end, datetime.now(timezone.utc)) if time is not None)
    if arguments.start is not None and arguments.start >= end:
        parser.error(f"--start is not before the end, {end.isoformat()}: rows in the future wait")
    settings = load_settings()

    note("Loading Feast ...")
    hide_bars_of_others()
    from poc.definitions import applied_service
    from poc.feature_store import connection_of, open_feature_store
    from poc.materialization.attempts import recorded_attempt
    from poc.materialization.report import tell, tell_prepared
    from poc.materialization.run import Wish, run_materialization
    from poc.monitoring.validation import gate, prepare_validated
    from poc.online_store.failures import cassandra_failures
    from poc.online_store.session import cassandra_session

    store = open_feature_store(settings)
    connection, accept = connection_of(store), arguments.accept_drift
    with (
        cassandra_session(connection) as session,
        cassandra_failures(connection),
        recorded_attempt(settings, store, session, note),
        progress_bar("Direct table") as progress,
    ):
        served = applied_service(store, settings.feature_service)
        for data in prepare_validated(settings, served, datetime.now(timezone.utc), accept_drift=accept):
            tell_prepared(data)
        wish = Wish(arguments.full, arguments.start, arguments.end, arguments.until, arguments.remake_direct)
        begin = gate(settings, served, note, accept_drift=accept)
        reports = run_materialization(settings, store, session, wish, begin, progress)
    tell(reports)


if __name__ == "__main__":
    run(main)
