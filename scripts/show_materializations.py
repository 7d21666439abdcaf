"""Show the last attempts to materialize: when each began, how long it took, and why it failed.

    python scripts/show_materializations.py       exit status 1 if the last one failed, or none ever succeeded

Of one that has not ended nothing more is known: it runs, or it was killed.
"""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from poc.command_line import argument_parser, fail, note, ok, run
from poc.settings import load_settings

if TYPE_CHECKING:
    from poc.materialization.records import Attempt, Attempts


def outcome(attempt: "Attempt") -> str:
    if attempt.ended_at is None:
        return "not ended"
    seconds = (attempt.ended_at - attempt.started_at).total_seconds()
    return f"after {seconds:.1f} s: {'succeeded' if attempt.failure is None else attempt.failure}"


def main() -> int:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    note("Loading Feast ...")
    from poc.feature_store import connection_of, open_feature_store
    from poc.materialization.records import AttemptRecord
    from poc.online_store.failures import cassandra_failures
    from poc.online_store.session import cassandra_session
    from poc.repository import declared_service

    store = open_feature_store(settings)
    connection, online_store = connection_of(store), store.config.online_store.type
    record = AttemptRecord(settings.direct_keyspace, store.project)
    views = [definitions.view for definitions in declared_service(settings).feature_sets]
    with cassandra_session(connection) as session, cassandra_failures(connection):
        found = {view: record.read(session, online_store, view) for view in views}
    return max(show(view, online_store, attempts) for view, attempts in found.items())


def show(view: str, online_store: str, attempts: "Attempts") -> int:
    table = Table("began (UTC)", "outcome")
    for attempt in attempts.recent:
        table.add_row(f"{attempt.started_at:%Y-%m-%d %H:%M:%S}", outcome(attempt))
    if attempts.recent:
        # By itself it ends with 1 where the reader has left, which here says that the last one failed.
        with (console := Console()).capture() as shown:
            console.print(table)
        print(shown.get(), end="", flush=True)
    if attempts.last_succeeded_at is None:
        fail(f"{view} was never materialized into {online_store}, as far as is recorded")
        return 1
    failed = len(attempts.failed)
    say = fail if failed else ok
    say(f"{view}: {failed} failed since the last success, {attempts.last_succeeded_at:%Y-%m-%d %H:%M:%S} UTC")
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
