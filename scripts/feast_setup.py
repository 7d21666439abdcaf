"""Initialize Feast: check what is needed, prepare the data, apply the feature definitions.

    python scripts/feast_setup.py             run it as often as you like: what is done stays done
    python scripts/feast_setup.py --refresh   make the data's timestamps anew

Needs a running Cassandra (python scripts/start_cassandra.py). New data that breaks a rule, or drifted from
what the served model was trained on, is refused, and nothing is changed.
"""

from datetime import datetime, timezone

from poc.command_line import argument_parser, note, ok, run
from poc.database.endpoint import configured_endpoint
from poc.database.keyspaces import ensure_configured_keyspaces
from poc.database.sessions import cassandra_session, driver_errors_as_unavailable
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--refresh", action="store_true", help="make the data's timestamps anew")
    arguments = parser.parse_args()
    settings = load_settings()
    endpoint = configured_endpoint(settings)

    note("Loading Feast ...")
    import feast

    from poc.definitions import read_definitions
    from poc.feature_store import apply_definitions
    from poc.monitoring.validation import prepare_validated

    ok(f"Feast version: {feast.__version__}")
    with cassandra_session(endpoint) as session, driver_errors_as_unavailable(endpoint):
        ok("Cassandra is accessible")
        definitions = read_definitions(settings)
        now = datetime.now(timezone.utc)
        data = prepare_validated(settings, definitions, now, refresh=arguments.refresh)
        ok(f"Data prepared with {data.records:,} records")
        note(f"  {data.path}: {data.origin}" + ("" if data.changed else ", unchanged"))
        for keyspace in ensure_configured_keyspaces(settings, session):
            ok(f"Keyspace created: {keyspace}")
        applied = apply_definitions(settings)
    ok("Feature definitions applied")
    ok(f"Entities: {applied.entities}")
    ok(f"Feature views: {applied.feature_views}")
    ok("Feast Setup Complete!")
    note("Next: python scripts/feast_materialize.py")


if __name__ == "__main__":
    run(main)
