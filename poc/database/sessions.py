"""Sessions to a Cassandra: one way of connecting for every room, with a limit on every wait.

Knows the driver's policies and which of its errors mean that Cassandra is out of reach. Which
statements run is up to the caller.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cassandra import DriverException, OperationTimedOut, Timeout, Unavailable
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionShutdown
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy

from poc.database.endpoint import Endpoint
from poc.errors import CassandraUnavailable

LOCAL_DATACENTER = "datacenter1"
PROTOCOL_VERSION = 5
CONNECT_TIMEOUT_SECONDS = 5.0
# The driver's default backs off to ten minutes: a node that is back was used again after 30 s only.
RECONNECTION_DELAY_SECONDS = 1.0
# What the driver raises when no node answers, or too few, or too late.
UNAVAILABLE = (NoHostAvailable, OperationTimedOut, Timeout, Unavailable, ConnectionShutdown)


def open_session(
    endpoint: Endpoint, keyspace: str | None = None, request_timeout_seconds: float = 10.0
) -> Session:
    """Connect, and give a session whose statements wait at most `request_timeout_seconds`.

    The caller ends it with `session.cluster.shutdown()`. `keyspace` becomes the session's own.

    Raises:
        CassandraUnavailable: no host accepts a connection, or the keyspace is not there.
    """
    auth = None
    if endpoint.username is not None:
        auth = PlainTextAuthProvider(endpoint.username, endpoint.password)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=LOCAL_DATACENTER)),
        request_timeout=request_timeout_seconds,
    )
    cluster = Cluster(
        list(endpoint.hosts),
        port=endpoint.port,
        auth_provider=auth,
        protocol_version=PROTOCOL_VERSION,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(RECONNECTION_DELAY_SECONDS, max_attempts=None),
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        control_connection_timeout=CONNECT_TIMEOUT_SECONDS,
    )
    try:
        return cluster.connect(keyspace)
    except (DriverException, *UNAVAILABLE) as error:
        cluster.shutdown()
        raise CassandraUnavailable(str(endpoint), reason(error)) from error


@contextmanager
def cassandra_session(
    endpoint: Endpoint, keyspace: str | None = None, request_timeout_seconds: float = 10.0
) -> Iterator[Session]:
    """Give a session as `open_session` does, and end it."""
    session = open_session(endpoint, keyspace, request_timeout_seconds)
    try:
        yield session
    finally:
        session.cluster.shutdown()


def reason(error: Exception) -> str:
    """Say in one line why the driver failed: for NoHostAvailable, what the first host said."""
    if isinstance(error, NoHostAvailable) and error.errors:
        first = next(iter(error.errors.values())) if isinstance(error.errors, dict) else error.errors[0]
        return str(first)
    return str(error)


@contextmanager
def driver_errors_as_unavailable(endpoint: Endpoint) -> Iterator[None]:
    """Raise CassandraUnavailable for what the driver raises when no answer comes, or too late."""
    try:
        yield
    except UNAVAILABLE as error:
        raise CassandraUnavailable(str(endpoint), reason(error)) from error
