"""Check that the online features are recent: exit status 0 if they are, 1 if not.

    python scripts/check_freshness.py                       materialized up to 2 hours ago at most
    python scripts/check_freshness.py --max-age 30m --max-event-age 1d

Two ages are checked: that of the end of the newest interval that was materialized, which tells of the
schedule, and that of the newest event in it, which tells of the data; its limit is the view's ttl where
none is given. A limit is a number and s, m, h or d.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, fail, note, ok, parse_duration, run
from poc.database.endpoint import configured_endpoint
from poc.database.sessions import cassandra_session, driver_errors_as_unavailable
from poc.settings import load_settings


def main() -> int:
    parser = argument_parser(__doc__)
    limit = {"type": parse_duration, "metavar": "LIMIT"}
    parser.add_argument("--max-age", default="2h", help="of the materialized interval's end; 2h", **limit)
    parser.add_argument("--max-event-age", help="of the newest event; the view's ttl", **limit)
    arguments = parser.parse_args()
    settings = load_settings()
    endpoint = configured_endpoint(settings)

    with cassandra_session(endpoint) as session, driver_errors_as_unavailable(endpoint):
        note("Loading Feast ...")
        from poc.feature_store import open_feature_store
        from poc.materialization.freshness import read_freshness

        found = read_freshness(settings, open_feature_store(settings), session)

    checks = found.checks(datetime.now(timezone.utc), arguments.max_age, arguments.max_event_age)
    for check in checks:
        (ok if check.holds else fail)(str(check))
    materialized, event = checks
    if not materialized.holds:
        note("  Bring it up to date: python scripts/feast_materialize.py; and see why the schedule did not.")
    elif not event.holds:
        note("  Materialization is up to date: the rows that it is given are old.")
    return 0 if materialized.holds and event.holds else 1


if __name__ == "__main__":
    run(main)
