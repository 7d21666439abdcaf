"""Do the nodes of a cluster see each other? They answer clients some seconds before they do."""

import time
from contextlib import suppress

from cassandra import ConsistencyLevel, DriverException, RequestExecutionException
from cassandra.cluster import NoHostAvailable, Session
from cassandra.query import SimpleStatement

from poc.database.endpoint import Endpoint
from poc.database.sessions import cassandra_session
from poc.errors import CassandraUnavailable

POLL_SECONDS = 0.5


def ring_is_whole(session: Session, count: int) -> bool:
    """Tell whether each of `count` nodes can reach its peers: it knows them all, agrees with them on the
    schema, and gets an answer from as many as a read can ask for.
    """
    hosts = session.cluster.metadata.all_hosts()
    if len(hosts) != count:
        session.cluster.refresh_nodes()
        return False
    # A keyspace of Cassandra's own with three replicas.
    read = SimpleStatement(
        "SELECT * FROM system_distributed.view_build_status WHERE keyspace_name = '' AND view_name = ''",
        consistency_level=ConsistencyLevel.TWO if count == 2 else ConsistencyLevel.THREE,
    )
    try:
        for host in hosts:
            schema = session.execute("SELECT schema_version FROM system.local", host=host).one()
            peers = session.execute("SELECT schema_version FROM system.peers_v2", host=host).all()
            if len(peers) != count - 1 or {peer.schema_version for peer in peers} != {schema.schema_version}:
                return False
            session.execute(read, host=host)
    except (DriverException, RequestExecutionException, NoHostAvailable):
        return False
    return True


def wait_for_ring(endpoint: Endpoint, deadline: float) -> bool:
    """Wait until the nodes see each other, or until `deadline` (of `time.monotonic`); tell which it was."""
    while time.monotonic() < deadline:
        # A node that has come up a moment ago can still turn a connection away.
        with suppress(CassandraUnavailable), cassandra_session(endpoint) as session:
            while time.monotonic() < deadline:
                if ring_is_whole(session, len(endpoint.hosts)):
                    return True
                time.sleep(POLL_SECONDS)
        time.sleep(POLL_SECONDS)
    return False
