"""Start a Cassandra where none answers, say which one answers, or stop the one that this started.

    python scripts/start_cassandra.py                   Docker's if an engine answers, else an embedded one
    python scripts/start_cassandra.py --mode embedded   without Docker: a real Cassandra, nothing to install
    python scripts/start_cassandra.py --nodes 3         three embedded nodes, on 127.0.0.1 to 127.0.0.3
    python scripts/start_cassandra.py --secure          embedded, with TLS, certificates and a password
    python scripts/start_cassandra.py --status          exit status 0 if one answers, 1 if none does
    python scripts/start_cassandra.py --stop            its data stays for the next start

Where: feature_repo/feature_store.yaml, or CASSANDRA_HOSTS and CASSANDRA_PORT. Files are in .cassandra
(CASSANDRA_DIR), logs in .cassandra/1-node/node1/logs. The first start downloads 68 MB into ~/.m2 (M2_REPO).
"""

import os

from rich.console import Console

from poc.command_line import argument_parser, fail, ok, run
from poc.local_cassandra.start import ensure_cassandra, running_cassandra, stop_cassandra
from poc.online_store.session import cassandra_session, idempotent
from poc.settings import load_settings


def main() -> int | None:
    parser = argument_parser(__doc__)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--status", action="store_true", help="only say which one answers")
    action.add_argument("--stop", action="store_true", help="stop the one that this project started")
    parser.add_argument("--mode", choices=("auto", "docker", "embedded"), default="auto", help="as above")
    parser.add_argument("--nodes", type=int, choices=range(1, 10), metavar="N", help="embedded nodes, 1 to 9")
    parser.add_argument("--secure", action="store_true", help="TLS, client certificates and a password")
    parser.add_argument("--port", help="CQL port, instead of CASSANDRA_PORT")
    arguments = parser.parse_args()
    if arguments.port is not None:
        os.environ["CASSANDRA_PORT"] = arguments.port
    settings = load_settings()
    if arguments.stop:
        stopped = stop_cassandra(settings)
        ok("No Cassandra of this project runs" if stopped is None else f"Cassandra stopped ({stopped})")
        return 0
    if arguments.status:
        running = running_cassandra(settings)
        if running is None:
            fail("No Cassandra answers")
            return 1
    else:
        asked = (arguments.mode, arguments.nodes, Console(stderr=True), arguments.secure)
        running = ensure_cassandra(settings, *asked)
    with cassandra_session(running.way_in) as session:
        version = session.execute(idempotent("SELECT release_version FROM system.local")).one()[0]
        ok(f"Cassandra {version} {'started' if running.started else 'is running already'}: {running}")
        if running.embedded is not None and running.embedded.secure:
            ok(f"Credentials: set -a; . {settings.cassandra_dir / 'credentials'}; set +a")
        # The keyspaces of several nodes are left to a configuration that names all of them: feast_setup.py.
        if not arguments.status and len(running.way_in.hosts) <= len(running.endpoint.hosts):
            from poc.online_store.schema import ensure_keyspace

            for keyspace in (running.endpoint.keyspace, settings.direct_keyspace):
                if ensure_keyspace(session, running.endpoint, keyspace):
                    ok(f"Keyspace created: {keyspace}")
    return 0


if __name__ == "__main__":
    run(main)
