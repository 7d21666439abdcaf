"""Make a role that reads and one that writes on the Cassandra of the yaml, with the least rights.

    set -a; . .cassandra/credentials; set +a       log in as who may make roles
    python scripts/feast_setup.py                  make the keyspaces
    python scripts/make_roles.py

Their user names and passwords are in .cassandra/feast_reader and .cassandra/feast_writer (CASSANDRA_DIR), for
their owner only, and are kept when this runs again. To serve as the one that reads:

    set -a; . .cassandra/feast_reader; set +a
    python poc/serve_model_feast.py
"""

from poc.command_line import argument_parser, ok, run
from poc.local_cassandra.secure import make_credentials
from poc.online_store.failures import cassandra_failures
from poc.online_store.roles import READER, WRITER, ensure_role
from poc.online_store.session import cassandra_session
from poc.settings import load_settings


def main() -> None:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    from poc.feature_store import cassandra_connection  # And with it Feast, which takes seconds.

    connection = cassandra_connection(settings)
    keyspaces = (connection.keyspace, settings.direct_keyspace)
    with cassandra_session(connection) as session, cassandra_failures(connection):
        for role in (READER, WRITER):
            file = settings.cassandra_dir / role.name
            ensure_role(session, role, make_credentials(file, role.name).password, keyspaces)
            ok(f"{role.name} ({role.purpose}) may {', '.join(role.rights)} on {', '.join(keyspaces)}: {file}")


if __name__ == "__main__":
    run(main)
