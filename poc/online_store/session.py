"""Sessions of cassandra-driver: policies, encryption and a limit on every wait.

Reads, writes and schema changes have an execution profile each: their consistency and patience differ, and
only what does no harm when it is done twice is asked of a second node. Their rows are tuples. What is run
without a profile runs at the write consistency, and its rows have names.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cassandra import ConsistencyLevel, DriverException, InvalidRequest, policies
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    DefaultConnection,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.cluster import Session as Session
from cassandra.connection import ConnectionException
from cassandra.query import SimpleStatement, named_tuple_factory, tuple_factory

from poc.online_store.connection import ConnectionSettings, tls_context
from poc.online_store.errors import DataCentreUnknown
from poc.online_store.failures import connection_refusal, speaks_older

READ = "read"
WRITE = "write"
SCHEMA = "schema"

# How it is noticed that a node is gone, and what is asked of another one meanwhile: docs/adr/0008.

# The driver's default backs off to ten minutes: a node that is back was used again after 30 s only.
RECONNECTION_DELAY_SECONDS = 1.0
# Table option: how long a coordinator waits for a replica before it asks another one.
SPECULATIVE_RETRY = "50ms"
# Both together should stay below the time limits of statements that are asked once only.
HEARTBEAT_SECONDS = 4
HEARTBEAT_TIMEOUT_SECONDS = 10
# Two: the second node may have come back a moment ago, and be slow.
MORE_NODES = 2
# How often a read that timed out is asked again: at the first time the node may not be known to be gone yet.
# The driver counts the nodes that it asks side by side together: all of them wait for the same dead one.
READS_AGAIN = 2 * (1 + MORE_NODES)
# The driver's 10 s were too short for three nodes on two busy cores: a read then met a node that did not
# know the table yet.
SCHEMA_AGREEMENT_SECONDS = 60.0
# Creating or dropping a table waits for every node's agreement, for which a frozen one takes all the time
# that there is, and, on dropping, for a snapshot.
SCHEMA_TIMEOUT_SECONDS = SCHEMA_AGREEMENT_SECONDS + 60.0
# Cassandra's own, newest first. Left to itself the driver begins with DataStax's, and logs a warning a step.
PROTOCOL_VERSIONS = (5, 4, 3)


class WholeSegments(DefaultConnection):  # type: ignore[misc]
    """The driver's own connection, but for headers of protocol 5's segments that come in two parts.

    Where what has arrived ends within a header of 6 bytes, cassandra-driver 3.30.1 drops those bytes:
    `Connection.process_io_buffer` keeps what is past the buffer's place, which is at its end then. What comes
    next it takes for a header, and gives up the connection with all that was asked on it: "CRC mismatch on
    header" (PYTHON-1337). The more is read at once, the more often.
    """

    def _process_segment_buffer(self) -> None:
        super()._process_segment_buffer()
        if not self._io_buffer.has_consumed_segment:
            self._io_buffer.io_buffer.seek(0)


class ReadAgain(policies.RetryPolicy):  # type: ignore[misc]
    """Reads again, `READS_AGAIN` times, what a replica did not answer; is else the driver's own.

    A coordinator that waits for a node which has just died gives up on the statement, not on the node alone,
    once it knows of it. Of what spans partitions it asks no second copy by itself.
    """

    def on_read_timeout(
        self, query: Any, *, consistency: int, retry_num: int, **responses: Any
    ) -> tuple[int, int | None]:
        """Say what becomes of `query`, which has been tried `retry_num` times more."""
        return (self.RETRY, consistency) if retry_num < READS_AGAIN else (self.RETHROW, None)


def open_session(settings: ConnectionSettings) -> Session:
    """Connect without a keyspace. End it with `session.cluster.shutdown()`.

    Raises:
        CassandraUnavailable: no node accepts a connection; one of its kinds where other settings can help.
        TlsFilesUnusable: a PEM file cannot be used.
    """
    # A secure bundle tells the driver all it needs, and it agrees on a version with Astra by itself.
    left_open = settings.protocol_version is None and settings.secure_bundle_path is None
    offered = PROTOCOL_VERSIONS if left_open else (settings.protocol_version,)
    for version in offered:
        try:
            return _connected(settings, version)
        except (DriverException, ConnectionException, NoHostAvailable) as error:
            if version == offered[-1] or not speaks_older(error):
                raise connection_refusal(settings, error) from error
    raise AssertionError("the last version raises")


@contextmanager
def cassandra_session(settings: ConnectionSettings) -> Iterator[Session]:
    """Yield a session as `open_session` opens it, and end it."""
    session = open_session(settings)
    try:
        yield session
    finally:
        session.cluster.shutdown()


def idempotent(cql: str) -> SimpleStatement:
    """Make of `cql` a statement that does no harm when it is run twice, as a lost node may demand."""
    return SimpleStatement(cql, is_idempotent=True)


def prepare(session: Session, cql: str) -> Any:
    """Prepare a statement that does no harm when it is run twice.

    A node that slept while a table was made knows it some seconds after it woke: what one refuses is asked
    again once all of them agree on the schema.
    """
    try:
        statement = session.prepare(cql)
    except InvalidRequest:
        control = session.cluster.control_connection
        control.wait_for_schema_agreement(wait_time=SCHEMA_AGREEMENT_SECONDS)
        statement = session.prepare(cql)
    statement.is_idempotent = True
    learn_copies(session, {column.keyspace_name for column in statement.column_metadata})
    return statement


def learn_copies(session: Session, keyspaces: set[str]) -> None:
    """Learn where the rows of `keyspaces` lie, so that a statement goes to a node that has them.

    Once a session: of copies that are changed later it learns nothing.
    """
    for keyspace in keyspaces - session.cluster.metadata.keyspaces.keys():
        # Without an answer statements take one more hop; the next one that is prepared asks again.
        with suppress(DriverException):
            session.cluster.refresh_keyspace_metadata(keyspace, max_schema_agreement_wait=0)


def _connected(settings: ConnectionSettings, version: int | None) -> Session:
    cluster = Cluster(**_cluster_arguments(settings, version))
    try:
        return cluster.connect()
    except BaseException as error:
        known = sorted({host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter})
        cluster.shutdown()
        dc = settings.local_dc
        if isinstance(error, NoHostAvailable) and dc is not None and known and dc not in known:
            raise DataCentreUnknown(str(settings), dc, known, "local_dc") from error
        raise


def _cluster_arguments(settings: ConnectionSettings, version: int | None) -> dict[str, object]:
    arguments: dict[str, object] = {
        "execution_profiles": {
            EXEC_PROFILE_DEFAULT: _profile(settings, settings.write_consistency, named_tuple_factory),
            READ: _profile(settings, settings.read_consistency, tuple_factory),
            WRITE: _profile(settings, settings.write_consistency, tuple_factory),
            SCHEMA: ExecutionProfile(
                load_balancing_policy=_policy(settings),
                # As the driver's own reads of system tables: a cluster that refuses it lets nobody connect.
                consistency_level=ConsistencyLevel.ONE,
                request_timeout=SCHEMA_TIMEOUT_SECONDS,
                row_factory=tuple_factory,
            ),
        },
        "max_schema_agreement_wait": SCHEMA_AGREEMENT_SECONDS,
        "reconnection_policy": policies.ConstantReconnectionPolicy(RECONNECTION_DELAY_SECONDS, None),
        "idle_heartbeat_interval": HEARTBEAT_SECONDS,
        "idle_heartbeat_timeout": HEARTBEAT_TIMEOUT_SECONDS,
        "connect_timeout": settings.connect_timeout_seconds,
        "control_connection_timeout": settings.connect_timeout_seconds,
        # A shared Cassandra may have thousands of tables: `prepare` learns the keyspaces that are asked.
        # Before version 4 nothing else says which columns are the key. A change of tables is not ours.
        "schema_metadata_enabled": version is not None and version < 4,
        "schema_event_refresh_window": -1,
        "compression": "lz4" if settings.compression else False,
        "connection_class": WholeSegments,
    }
    if settings.secure_bundle_path is not None:
        arguments["cloud"] = {"secure_connect_bundle": settings.secure_bundle_path}
    else:
        arguments |= {"contact_points": list(settings.hosts), "port": settings.port}
    if version is not None:
        arguments["protocol_version"] = version
    if settings.username is not None:
        arguments["auth_provider"] = PlainTextAuthProvider(settings.username, settings.password)
    if settings.tls is not None:
        arguments["ssl_context"] = tls_context(settings.tls)
    return arguments


def _profile(settings: ConnectionSettings, consistency: str, row_factory: Any) -> ExecutionProfile:
    speculation = None
    if settings.speculative_delay_ms is not None:
        seconds = settings.speculative_delay_ms / 1000
        speculation = policies.ConstantSpeculativeExecutionPolicy(seconds, MORE_NODES)
    return ExecutionProfile(
        load_balancing_policy=_policy(settings),
        consistency_level=ConsistencyLevel.name_to_value[consistency],
        request_timeout=settings.request_timeout_seconds,
        row_factory=row_factory,
        retry_policy=ReadAgain(),
        speculative_execution_policy=speculation,
    )


def _policy(settings: ConnectionSettings) -> policies.TokenAwarePolicy:
    # An empty one is the first contact point's.
    dc = "" if settings.local_dc is None else settings.local_dc
    return policies.TokenAwarePolicy(policies.DCAwareRoundRobinPolicy(dc))


def local_data_centre(session: Session) -> str:
    """Name the data centre of the node that `session` was opened through."""
    return str(session.execute(idempotent("SELECT data_center FROM system.local")).one().data_center)
