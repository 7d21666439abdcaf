"""Sessions of cassandra-driver: policies, encryption and a limit on every wait.

Reads, writes and schema changes have an execution profile each: their consistency and patience differ,
and only what does no harm when it is done twice is asked of a second node.
"""

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from poc.online_store.connection import ConnectionSettings
from poc.online_store.patience import recognition, speculation
from poc.online_store.tls import tls_context

READ = EXEC_PROFILE_DEFAULT
WRITE = "write"
SCHEMA = "schema"
# Creating or dropping a table waits for every node's agreement and, on dropping, for a snapshot.
SCHEMA_TIMEOUT_SECONDS = 60.0


def open_session(settings: ConnectionSettings) -> Session:
    """Connect without a keyspace; rows come as tuples. End it with `session.cluster.shutdown()`.

    Raises:
        cassandra.cluster.NoHostAvailable: no node accepts a connection.
        TlsFilesUnusable: a PEM file cannot be used.
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
            READ: _asked_twice(settings, settings.read_consistency),
            WRITE: _asked_twice(settings, settings.write_consistency),
            SCHEMA: _profile(settings, "LOCAL_ONE", timeout_seconds=SCHEMA_TIMEOUT_SECONDS),
        },
        **recognition(),
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


def _asked_twice(settings: ConnectionSettings, consistency: str) -> ExecutionProfile:
    twice = speculation(settings.speculative_delay_ms)
    return _profile(settings, consistency, speculative_execution_policy=twice)


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
