"""What the nodes of a cluster have to agree on before it is handed over: each other, and who may log in.

They answer clients some seconds before they see each other. A secure cluster's own superuser, whose password
is its name, is shut at the first start; ours takes its place.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from poc.errors import CassandraUnavailable, CredentialsLost, OnlineTableMissing
from poc.online_store.connection import ConnectionSettings
from poc.online_store.failures import cassandra_failures
from poc.online_store.roles import set_login
from poc.online_store.session import (
    READ,
    SCHEMA,
    Session,
    cassandra_session,
    idempotent,
    local_data_centre,
)

POLL_SECONDS = 0.5
# Cassandra's own keyspaces have three copies, where there are so many nodes.
EVERY_COPY = {1: "ONE", 2: "TWO"}
DEFAULT_USER = "cassandra"
# A login asks for as many copies of the user as a read does: with one, a lost node would shut everybody out.
MOST_COPIES = 3
NOT_YET = (CassandraUnavailable, OnlineTableMissing)


@contextmanager
def _ring_session(endpoint: ConnectionSettings) -> Iterator[Session]:
    """Open a session to all nodes of a cluster, whose reads every copy answers; or CassandraUnavailable."""
    reading = replace(endpoint, read_consistency=EVERY_COPY.get(len(endpoint.hosts), "THREE"))
    with cassandra_failures(endpoint), cassandra_session(reading) as session:
        yield session


def wait_for_ring(endpoint: ConnectionSettings, deadline: float) -> bool:
    """Wait until the nodes see each other, or until `deadline` (of `time.monotonic`); tell which it was."""
    while time.monotonic() < deadline:
        # A node that has come up a moment ago can still turn a connection away.
        with suppress(CassandraUnavailable), _ring_session(endpoint) as session:
            while time.monotonic() < deadline:
                if _is_whole(session, endpoint):
                    return True
                time.sleep(POLL_SECONDS)
        time.sleep(POLL_SECONDS)
    return False


def _is_whole(session: Session, endpoint: ConnectionSettings) -> bool:
    """Tell whether each node knows all its peers, agrees with them on the schema, and gets an answer from as
    many as a read can ask for.
    """
    count = len(endpoint.hosts)
    hosts = session.cluster.metadata.all_hosts()
    if len(hosts) != count:
        session.cluster.refresh_nodes()
        return False
    read = idempotent(
        "SELECT * FROM system_distributed.view_build_status WHERE keyspace_name = '' AND view_name = ''"
    )
    with suppress(CassandraUnavailable), cassandra_failures(endpoint):
        for host in hosts:
            schema = session.execute("SELECT schema_version FROM system.local", host=host).one()
            peers = session.execute("SELECT schema_version FROM system.peers_v2", host=host).all()
            if len(peers) != count - 1 or {peer.schema_version for peer in peers} != {schema.schema_version}:
                return False
            session.execute(read, host=host, execution_profile=READ)
        return True
    return False


def ensure_login(endpoint: ConnectionSettings, file: Path, deadline: float) -> None:
    """Make the user that `endpoint` logs in with, where it cannot yet, and shut the one Cassandra came with.

    `deadline` is of `time.monotonic`; `file` has the credentials, for the message.
    Raises CredentialsLost: neither our user nor Cassandra's own is let in.
    """
    default = replace(endpoint, username=DEFAULT_USER, password=DEFAULT_USER)
    while True:
        # Cassandra makes its own user some moments after it answers.
        with suppress(*NOT_YET), _ring_session(endpoint) as session:
            _shut_default_user(session)
            return
        with suppress(*NOT_YET), _ring_session(default) as session:
            _make_user(session, endpoint)
        if time.monotonic() >= deadline:
            raise CredentialsLost(file)
        time.sleep(POLL_SECONDS)


def _make_user(session: Session, endpoint: ConnectionSettings) -> None:
    if len(endpoint.hosts) > 1 and not _is_whole(session, endpoint):
        return
    copies = min(len(endpoint.hosts), MOST_COPIES)
    session.execute(
        "ALTER KEYSPACE system_auth WITH replication ="
        f" {{'class': 'NetworkTopologyStrategy', '{local_data_centre(session)}': {copies}}}",
        execution_profile=SCHEMA,
    )
    # A read from all brings what is there to the new copies, as a repair would.
    session.execute(idempotent("SELECT * FROM system_auth.roles"), execution_profile=READ).all()
    # Those of a secure cluster are made before it is started.
    assert endpoint.username is not None
    assert endpoint.password is not None
    set_login(session, endpoint.username, endpoint.password, superuser=True)


def _shut_default_user(session: Session) -> None:
    row = session.execute(f"SELECT can_login FROM system_auth.roles WHERE role = '{DEFAULT_USER}'").one()
    if row is not None and row.can_login:
        session.execute(
            f"ALTER ROLE {DEFAULT_USER} WITH SUPERUSER = false AND LOGIN = false"
            f" AND PASSWORD = '{secrets.token_urlsafe(24)}'",
            execution_profile=SCHEMA,
        )
