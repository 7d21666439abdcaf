"""Sessions of cassandra-driver: policies, encryption and a limit on every wait.

Reads, writes and schema changes have an execution profile each: their consistency and patience differ,
and only reads are worth asking twice.
"""

import ssl

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    TokenAwarePolicy,
)
from cassandra.query import tuple_factory

from poc.online_store.connection import ConnectionSettings, TlsFiles

READ = EXEC_PROFILE_DEFAULT
WRITE = "write"
SCHEMA = "schema"
# Creating or dropping a table waits for every node's agreement and, on dropping, for a snapshot.
SCHEMA_TIMEOUT_SECONDS = 60.0
# The driver's default backs off to ten minutes: a node that is back was used again after 30 s only.
RECONNECTION_DELAY_SECONDS = 1.0


def open_session(settings: ConnectionSettings) -> Session:
    """Connect without a keyspace; rows come as tuples. End it with `session.cluster.shutdown()`.

    Raises:
        cassandra.cluster.NoHostAvailable: no node accepts a connection.
    """
    cluster = Cluster(**_cluster_arguments(settings))
    try:
        return cluster.connect()
    except BaseException:
        cluster.shutdown()
        raise


def _cluster_arguments(settings: ConnectionSettings) -> dict[str, object]:
    arguments: dict[str, object] = {
        "execution_profiles": {
            READ: _read_profile(settings),
            WRITE: _profile(settings, settings.write_consistency),
            SCHEMA: _profile(settings, "LOCAL_ONE", timeout_seconds=SCHEMA_TIMEOUT_SECONDS),
        },
        "reconnection_policy": ConstantReconnectionPolicy(RECONNECTION_DELAY_SECONDS, max_attempts=None),
        "connect_timeout": settings.connect_timeout_seconds,
        "control_connection_timeout": settings.connect_timeout_seconds,
        "compression": "lz4" if settings.compression else False,
    }
    if settings.secure_bundle_path is not None:
        arguments["cloud"] = {"secure_connect_bundle": settings.secure_bundle_path}
    else:
        arguments |= {"contact_points": list(settings.hosts), "port": settings.port}
    if settings.protocol_version is not None:
        arguments["protocol_version"] = settings.protocol_version
    if settings.username is not None:
        arguments["auth_provider"] = PlainTextAuthProvider(settings.username, settings.password)
    if settings.tls is not None:
        arguments["ssl_context"] = tls_context(settings.tls)
    return arguments


def _read_profile(settings: ConnectionSettings) -> ExecutionProfile:
    delay = settings.speculative_delay_ms
    if delay is None:
        return _profile(settings, settings.read_consistency)
    speculation = ConstantSpeculativeExecutionPolicy(delay / 1000, max_attempts=1)
    return _profile(settings, settings.read_consistency, speculative_execution_policy=speculation)


def _profile(
    settings: ConnectionSettings, consistency: str, timeout_seconds: float | None = None, **policies: object
) -> ExecutionProfile:
    dc = settings.local_dc
    local = DCAwareRoundRobinPolicy() if dc is None else DCAwareRoundRobinPolicy(dc)
    return ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(local),
        consistency_level=ConsistencyLevel.name_to_value[consistency],
        request_timeout=settings.request_timeout_seconds if timeout_seconds is None else timeout_seconds,
        row_factory=tuple_factory,
        **policies,
    )


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Build the context that verifies nodes against `files.ca` and shows our certificate if there is one."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.ca)
    context.check_hostname = files.check_hostname
    if files.cert is not None:
        context.load_cert_chain(files.cert, files.key)
    return context
