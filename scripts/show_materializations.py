"""Show the last attempts to materialize: when each began, how long it took, and why it failed.

    python scripts/show_materializations.py       exit status 1 if the last one failed, or none ever succeeded

Of one that has not ended nothing more is known: it runs, or it was killed.
"""

from rich.console import Console
from rich.table import Table

from poc.command_line import argument_parser, fail, note, ok, run
from poc.database.attempts import Attempt, AttemptRecord
from poc.database.endpoint import configured_endpoint, online_store_type
from poc.database.sessions import cassandra_session, driver_errors_as_unavailable
from poc.settings import load_settings


def outcome(attempt: Attempt) -> str:
    if attempt.ended_at is None:
        return "not ended"
    seconds = (attempt.ended_at - attempt.started_at).total_seconds()
    return f"after {seconds:.1f} s: {'succeeded' if attempt.failure is None else attempt.failure}"


def main() -> int:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    endpoint = configured_endpoint(settings)
    note("Loading Feast ...")
    from poc.definitions import read_definitions

    view, online_store = read_definitions(settings).view, online_store_type(settings)
    with cassandra_session(endpoint) as session, driver_errors_as_unavailable(endpoint):
        attempts = AttemptRecord(settings.direct_keyspace).read(session, online_store, view)
    table = Table("began (UTC)", "outcome")
    for attempt in attempts.recent:
        table.add_row(f"{attempt.started_at:%Y-%m-%d %H:%M:%S}", outcome(attempt))
    if attempts.recent:
        Console().print(table)
    if attempts.last_succeeded_at is None:
        fail(f"{view} was never materialized into {online_store}, as far as is recorded")
        return 1
    failed = len(attempts.failed)
    say = fail if failed else ok
    say(f"{view}: {failed} failed since the last success, {attempts.last_succeeded_at:%Y-%m-%d %H:%M:%S} UTC")
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
