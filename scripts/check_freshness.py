"""Check that the online features are recent: exit status 0 if they are, 1 if not.

    python scripts/check_freshness.py                       materialized up to 2 hours ago at most
    python scripts/check_freshness.py --max-age 30m --max-event-age 1d

Two ages are checked: that of the end of the newest interval that was materialized, which tells of the
schedule, and that of the newest event in it, which tells of the data; its limit is the view's ttl where
none is given. A limit is a number and s, m, h or d.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, fail, note, ok, parse_duration, run
from poc.settings import load_settings


def main() -> int:
    parser = argument_parser(__doc__)
    limit = {"type": parse_duration, "metavar": "LIMIT"}
    materialized = "age of the end of what was materialized (default: 2h)"
    parser.add_argument("--max-age", default="2h", help=materialized, **limit)
    event = "age of the newest event (default: the view's ttl)"
    parser.add_argument("--max-event-age", help=event, **limit)
    arguments = parser.parse_args()
    settings = load_settings()

    note("Loading Feast ...")
    from poc.feature_store import connection_of, open_feature_store
    from poc.materialization.freshness import read_freshness
    from poc.online_store.failures import cassandra_failures
    from poc.online_store.session import cassandra_session

    store = open_feature_store(settings)
    connection = connection_of(store)
    with cassandra_session(connection) as session, cassandra_failures(connection):
        views = read_freshness(settings, store, session)

    now = datetime.now(timezone.utc)
    checked = [view.checks(now, arguments.max_age, arguments.max_event_age) for view in views]
    for check in (check for checks in checked for check in checks):
        (ok if check.holds else fail)(str(check))
    if not all(materialized.holds for materialized, _ in checked):
        note("  Bring it up to date: python scripts/feast_materialize.py; and see why the schedule did not.")
    elif not all(event.holds for _, event in checked):
        note("  Materialization is up to date: the rows that it is given are old.")
    return 0 if all(check.holds for checks in checked for check in checks) else 1


if __name__ == "__main__":
    run(main)
