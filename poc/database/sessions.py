"""Sessions to a Cassandra: one way of connecting for every room, with a limit on every wait.

A session is encrypted, logged in and as consistent as its endpoint says.

Knows the driver's policies and which of its errors mean that Cassandra is out of reach. Which
statements run is up to the caller.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    OperationTimedOut,
    Timeout,
    Unavailable,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionShutdown
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import SimpleStatement

from poc.database.endpoint import Endpoint
from poc.database.probe import speaks_tls
from poc.errors import CassandraLoginRefused, CassandraTlsFailed, CassandraUnavailable, OnlineStoreUnusable
from poc.online_store.errors import OnlineStoreError
from poc.online_store.patience import recognition, speculation
from poc.online_store.tls import tls_context

LOCAL_DATACENTER = "datacenter1"
PROTOCOL_VERSION = 5
CONNECT_TIMEOUT_SECONDS = 5.0
# Longer than it takes to give up a frozen node: what was asked of it then goes to another one.
REQUEST_TIMEOUT_SECONDS = 20.0
# Creating a table waits for every node's agreement.
SCHEMA_TIMEOUT_SECONDS = 60.0
# What the driver raises when no node answers, or too few, or too late.
UNAVAILABLE = (NoHostAvailable, OperationTimedOut, Timeout, Unavailable, ConnectionShutdown)


def open_session(
    endpoint: Endpoint,
    keyspace: str | None = None,
    request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
) -> Session:
    """Connect, and give a session whose statements wait at most `request_timeout_seconds`.

    The caller ends it with `session.cluster.shutdown()`. `keyspace` becomes the session's own.

    Raises:
        CassandraUnavailable: no host accepts a connection, or the keyspace is not there.
        CassandraLoginRefused, CassandraTlsFailed: of those, the two that another setting can help.
        OnlineStoreUnusable: a TLS file cannot be used.
    """
    auth = None
    if endpoint.username is not None:
        auth = PlainTextAuthProvider(endpoint.username, endpoint.password)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=LOCAL_DATACENTER)),
        request_timeout=request_timeout_seconds,
        consistency_level=ConsistencyLevel.name_to_value[endpoint.consistency],
        speculative_execution_policy=speculation(endpoint.speculative_delay_ms),
    )
    cluster = Cluster(
        list(endpoint.hosts),
        port=endpoint.port,
        auth_provider=auth,
        ssl_context=endpoint_context(endpoint),
        protocol_version=PROTOCOL_VERSION,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        control_connection_timeout=CONNECT_TIMEOUT_SECONDS,
        **recognition(),
    )
    try:
        return cluster.connect(keyspace)
    except (DriverException, *UNAVAILABLE) as error:
        cluster.shutdown()
        raise _refusal(endpoint, error) from error


def endpoint_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """Give what connections to `endpoint` are encrypted with; None for plain ones.

    Raises:
        OnlineStoreUnusable: a TLS file cannot be used.
    """
    if endpoint.tls is None:
        return None
    try:
        return tls_context(endpoint.tls)
    except OnlineStoreError as error:
        raise OnlineStoreUnusable(error.what, error.way_out) from error


def idempotent(cql: str) -> SimpleStatement:
    """Make of `cql` a statement that does no harm when it is run twice, as a lost node may demand."""
    return SimpleStatement(cql, is_idempotent=True)


def make_table(session: Session, keyspace: str, table: str, definition: str) -> None:
    """Make a table where it is not there: what stands after its name in CREATE TABLE is `definition`.

    Where it is there, no schema change is asked for, which a cluster with a lost node is slow to agree on.
    """
    found = session.execute(
        idempotent(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = %s"
        ),
        (keyspace, table),
    ).one()
    if found is None:
        session.execute(
            f'CREATE TABLE IF NOT EXISTS "{keyspace}"."{table}" {definition}', timeout=SCHEMA_TIMEOUT_SECONDS
        )


@contextmanager
def cassandra_session(
    endpoint: Endpoint,
    keyspace: str | None = None,
    request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
) -> Iterator[Session]:
    """Give a session as `open_session` does, and end it."""
    session = open_session(endpoint, keyspace, request_timeout_seconds)
    try:
        yield session
    finally:
        session.cluster.shutdown()


def reason(error: Exception) -> str:
    """Say in one line why the driver failed: for NoHostAvailable, what the first host said."""
    return str(_cause(error))


def _cause(error: Exception) -> Exception:
    if isinstance(error, NoHostAvailable) and error.errors:
        first: Exception = (
            next(iter(error.errors.values())) if isinstance(error.errors, dict) else error.errors[0]
        )
        return first
    return error


def _refusal(endpoint: Endpoint, error: Exception) -> CassandraUnavailable:
    """Tell what stands in the way of a connection."""
    cause = _cause(error)
    if isinstance(cause, AuthenticationFailed):
        return CassandraLoginRefused(str(endpoint), endpoint.username)
    if isinstance(cause, ssl.SSLError):
        return CassandraTlsFailed(str(endpoint), cause.reason or str(cause))
    if endpoint.tls is None and any(speaks_tls(host, endpoint.port) for host in endpoint.hosts):
        return CassandraTlsFailed(str(endpoint), "it speaks TLS only")
    return CassandraUnavailable(str(endpoint), str(cause))


@contextmanager
def driver_errors_as_unavailable(endpoint: Endpoint) -> Iterator[None]:
    """Raise CassandraUnavailable for what the driver raises when no answer comes, or too late."""
    try:
        yield
    except UNAVAILABLE as error:
        raise CassandraUnavailable(str(endpoint), reason(error)) from error
