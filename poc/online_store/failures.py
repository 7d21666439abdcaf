"""What the two drivers raise, while they connect and while statements run, as this project's errors."""

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cassandra
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage

from poc.online_store import errors
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import PocError

# What Cassandra says of a keyspace or table, and of a column, that is not there or has another type.
_NO_TABLE = ("does not exist", "doesn't exist", "unconfigured table")
# Where in Python TLS has failed: at the end of whatever it says of it.
_OF_TLS = "(_ssl.c:"
# What Cassandra says of a limit that its operator has set, and of one on the keys of a statement.
_GUARDRAIL = re.compile(r"Guardrail (\w+) violated")
_MOST_KEYS = re.compile(
    r"Guardrail (?:partition_keys_in_select|in_select_cartesian_product)\w* violated.* threshold of (\d+)"
)
_NO_COLUMN = ("Undefined column", "Unknown identifier", "Undefined name", "Cannot assign value")


@contextmanager
def cassandra_failures(
    where: str | ConnectionSettings, missing: Callable[[], PocError] | None = None
) -> Iterator[None]:
    """Turn what cassandra-driver and acsylla raise into errors with a way out.

    Args:
        where: the cluster, for the message.
        missing: makes the error for a keyspace or table that is not there; `OnlineTableMissing` for None.

    Raises:
        CassandraUnavailable: no node could answer, or none did in time, or not for this user or statement.
        FeaturesOutdated: the table lacks a column, or has it with another type.
    """
    try:
        yield
    except PocError:
        raise
    except Exception as error:
        known = _known(error, str(where), missing)
        if known is None:
            raise
        raise known from error


def _known(error: Exception, where: str, missing: Callable[[], PocError] | None) -> PocError | None:
    # acsylla may not be there to name its classes.
    name = type(error).__name__
    if isinstance(error, cassandra.InvalidRequest) or name == "CassErrorServerInvalidQuery":
        return refusal(str(error), missing)
    if isinstance(error, cassandra.Unauthorized) or name == "CassErrorServerUnauthorized":
        return errors.RoleLacksRight(where, _message(str(error)))
    cause = _cause(error)
    if isinstance(cause, cassandra.Unavailable):
        level = cassandra.ConsistencyLevel.value_to_name[cause.consistency]
        return errors.ReplicasMissing(where, level, cause.required_replicas, cause.alive_replicas)
    if isinstance(error, (cassandra.DriverException, NoHostAvailable, ConnectionException, ErrorMessage)):
        return errors.CassandraUnavailable(where, str(cause))
    # What acsylla says of a session that was closed.
    closed = isinstance(error, RuntimeError) and "closed" in str(error).lower()
    if closed or name.startswith("CassError"):
        return errors.CassandraUnavailable(where, str(error) or name)
    return None


def refusal(said: str, missing: Callable[[], PocError] | None = None) -> PocError | None:
    """Tell what Cassandra means, which `said` so of a statement; None where the statement is at fault.

    `missing` makes the error for a keyspace or table that is not there.
    """
    if (refused := refused_by_guardrail(said)) is not None:
        return refused
    message = _message(said)
    if lacks_table(said):
        return errors.OnlineTableMissing(f"as it is asked for: {message}") if missing is None else missing()
    if any(text in said for text in _NO_COLUMN):
        return errors.FeaturesOutdated(f"The stored table differs from the definitions: {message}")
    return None


def refused_by_guardrail(said: str) -> errors.RefusedByGuardrail | None:
    """Tell which guardrail Cassandra, which `said` so, keeps a statement from; None where that is not it."""
    found = _GUARDRAIL.search(said)
    return None if found is None else errors.RefusedByGuardrail(found[1], _message(said))


def lacks_table(said: str) -> bool:
    """Tell whether Cassandra, which `said` so, knows no such keyspace or table."""
    return any(text in said for text in _NO_TABLE)


def most_keys(said: str) -> int | None:
    """Return how many keys a statement may ask for, where Cassandra `said` that they are too many."""
    found = _MOST_KEYS.search(said)
    return None if found is None else int(found[1])


def _message(said: str) -> str:
    """Cut `Error from server: code=2200 [Invalid query] message="..."` down to the message."""
    return said.split('message="', 1)[-1].rstrip('"')


def connection_refusal(settings: ConnectionSettings, error: Exception) -> errors.CassandraUnavailable:
    """Tell what stands in the way of a connection, by what the driver raised."""
    cause, where = _cause(error), str(settings)
    if isinstance(cause, cassandra.UnresolvableContactPoints):
        return errors.HostsUnknown(where)
    # The driver reads the system's tables as it connects, at ONE.
    if (refused := refused_by_guardrail(str(cause))) is not None:
        return refused
    if isinstance(cause, cassandra.AuthenticationFailed):
        return errors.CassandraLoginRefused(where, settings.username)
    # Of several addresses the driver words the last error anew, as another type.
    if _OF_TLS in str(cause):
        return errors.CassandraTlsFailed(where, str(cause).rpartition("Last error: ")[2])
    if settings.protocol_version is not None and speaks_older(error):
        return errors.ProtocolRefused(where, settings.protocol_version)
    if settings.tls is None and any(speaks_tls(host, settings.port) for host in settings.hosts):
        return errors.CassandraTlsFailed(where, "it speaks TLS only")
    return errors.CassandraUnavailable(where, str(cause))


def speaks_tls(host: str, port: int, timeout_seconds: float = 2.0) -> bool:
    """Tell whether what listens at `host:port` answers to a TLS handshake, whoever it is."""
    try:
        return bool(ssl.get_server_certificate((host, port), timeout=timeout_seconds))
    except OSError:
        return False


def speaks_older(error: Exception) -> bool:
    """Tell whether the server refused the version of the protocol, and nothing else."""
    said = str(_cause(error)).lower()
    return "protocol" in said and "version" in said


def _cause(error: Exception) -> Exception:
    """Return why the driver failed: of several hosts, what one said that is there, else why one is not."""
    if not (isinstance(error, NoHostAvailable) and error.errors):
        return error
    each: list[Exception] = list(error.errors.values() if isinstance(error.errors, dict) else error.errors)
    silence = (OSError, cassandra.OperationTimedOut)
    said = (item for item in each if not isinstance(item, silence) or _OF_TLS in str(item))
    return next(said, each[0])
