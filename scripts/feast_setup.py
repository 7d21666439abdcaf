"""Initialize Feast: check what is needed, prepare the data, apply the feature definitions.

    python scripts/feast_setup.py             run it as often as you like: what is done stays done
    python scripts/feast_setup.py --refresh   make the data's timestamps anew

Needs a running Cassandra (python scripts/start_cassandra.py). Definitions that cannot be served are refused
before anything is written, and so is new data that breaks a rule, or drifted from what the served model was
trained on.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, note, ok, run
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--refresh", action="store_true", help="make the data's timestamps anew")
    arguments = parser.parse_args()
    settings = load_settings()

    note("Loading Feast ...")
    import feast

    from poc.feature_store import connection_of, open_feature_store
    from poc.materialization.servable import require_servable
    from poc.online_store.failures import cassandra_failures
    from poc.online_store.schema import ensure_keyspace
    from poc.online_store.session import cassandra_session
    from poc.quality.validation import count_long_keys, prepare_validated, tell_made_up
    from poc.repository import apply_definitions, declared_service
    from poc.serving.request_models import MAX_ID_LENGTH

    store = open_feature_store(settings)
    connection = connection_of(store)
    ok(f"Feast version: {feast.__version__}")
    with cassandra_session(connection) as session, cassandra_failures(connection):
        ok("Cassandra is accessible")
        served = declared_service(settings)
        require_servable(settings, store, served)
        now = datetime.now(timezone.utc)
        prepared, *others = prepare_validated(settings, served, now, refresh=arguments.refresh)
        ok(f"Data prepared with {prepared.records:,} records")
        note(f"  {prepared.path}: {prepared.origin}" + ("" if prepared.changed else ", unchanged"))
        tell_made_up(prepared)
        for view in served.feature_sets:
            for key, count in count_long_keys(view, MAX_ID_LENGTH).items():
                note(f"  {count:,} have a {key} of more than {MAX_ID_LENGTH} characters: no request takes it")
        for other in others:
            note(f"  {other.path}: {other.records:,} records, checked")
        for keyspace in (connection.keyspace, settings.direct_keyspace):
            if ensure_keyspace(session, connection, keyspace):
                ok(f"Keyspace created: {keyspace}")
        entities, views = apply_definitions(settings)
    ok("Feature definitions applied")
    ok(f"Entities: {entities}")
    ok(f"Feature views: {views}")
    ok("Feast Setup Complete!")
    note("Next: python scripts/feast_materialize.py")


if __name__ == "__main__":
    run(main)
