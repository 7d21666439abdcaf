"""What the two drivers raise while statements run, as this project's errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cassandra import DriverException, InvalidRequest, Unauthorized
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage

from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import (
    CassandraUnavailable,
    FeaturesOutdated,
    OnlineTableMissing,
    PocError,
    RoleLacksRight,
)
from poc.online_store.session import reason

# What Cassandra says of a keyspace or table, and of a column, that is not there or has another type.
_NO_TABLE = ("does not exist", "doesn't exist", "unconfigured table")
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
        CassandraUnavailable: no node could answer, or none did in time.
        RoleLacksRight: the user may not do that.
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
    if isinstance(error, InvalidRequest) or name == "CassErrorServerInvalidQuery":
        return refusal(str(error), missing)
    if isinstance(error, Unauthorized) or name == "CassErrorServerUnauthorized":
        return RoleLacksRight(where, _message(str(error)))
    if isinstance(error, (DriverException, NoHostAvailable, ConnectionException, ErrorMessage)):
        return CassandraUnavailable(where, reason(error))
    if name.startswith("CassError"):
        return CassandraUnavailable(where, str(error) or name)
    # What acsylla says of a session that was closed.
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return CassandraUnavailable(where, str(error))
    return None


def refusal(said: str, missing: Callable[[], PocError] | None = None) -> PocError | None:
    """Tell what Cassandra means by refusing a statement; None where the statement itself is at fault.

    Args:
        said: its message.
        missing: makes the error for a keyspace or table that is not there.
    """
    message = _message(said)
    if any(text in said for text in _NO_TABLE):
        return OnlineTableMissing(f"as it is asked for: {message}") if missing is None else missing()
    if any(text in said for text in _NO_COLUMN):
        return FeaturesOutdated(f"The stored table differs from the definitions: {message}")
    return None


def _message(said: str) -> str:
    """Cut `Error from server: code=2200 [Invalid query] message="..."` down to the message."""
    return said.split('message="', 1)[-1].rstrip('"')
