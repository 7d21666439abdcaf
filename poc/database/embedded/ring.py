"""Do the nodes of a cluster see each other? They answer clients some seconds before they do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from poc.errors import CassandraUnavailable
from poc.online_store.connection import ConnectionSettings
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import READ, Session, cassandra_session, idempotent

POLL_SECONDS = 0.5
# Cassandra's own keyspaces have three copies, where there are so many nodes.
EVERY_COPY = {1: "ONE", 2: "TWO"}


@contextmanager
def ring_session(endpoint: ConnectionSettings) -> Iterator[Session]:
    """Open a session to all nodes of a cluster, whose reads every copy answers; or CassandraUnavailable."""
    reads = EVERY_COPY.get(len(endpoint.hosts), "THREE")
    reading = replace(endpoint, read_consistency=reads)
    with cassandra_failures(endpoint), cassandra_session(reading) as session:
        yield session


def wait_for_ring(endpoint: ConnectionSettings, deadline: float) -> bool:
    """Wait until the nodes see each other, or until `deadline` (of `time.monotonic`); tell which it was."""
    while time.monotonic() < deadline:
        # A node that has come up a moment ago can still turn a connection away.
        with suppress(CassandraUnavailable), ring_session(endpoint) as session:
            while time.monotonic() < deadline:
                if ring_is_whole(session, endpoint):
                    return True
                time.sleep(POLL_SECONDS)
        time.sleep(POLL_SECONDS)
    return False


def ring_is_whole(session: Session, endpoint: ConnectionSettings) -> bool:
    """Tell whether each node can reach its peers, by a `ring_session`: it knows them all, agrees with them on
    the schema, and gets an answer from as many as a read can ask for.
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
