"""What sources know of Cassandra beside their rows: why a read failed, and whether a table is empty."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cassandra import DriverException, InvalidRequest
from cassandra.cluster import NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage

from poc.database.sessions import reason
from poc.errors import CassandraUnavailable, FeaturesOutdated, OnlineStoreUnusable, PocError
from poc.online_store.errors import OnlineStoreError

# What Cassandra says of a keyspace or table, and of a column, that is not there.
_NO_TABLE = ("does not exist", "unconfigured table")
_NO_COLUMN = "Undefined column"


@contextmanager
def cassandra_failures(where: str, missing: Callable[[], PocError]) -> Iterator[None]:
    """Turn what cassandra-driver and our online store raise into this project's errors.

    Args:
        where: the endpoint, for the message.
        missing: makes the error for a keyspace or table that is not there.

    Raises:
        CassandraUnavailable: no host could answer, or none did in time.
        FeaturesOutdated: the table lacks a column.
        OnlineStoreUnusable: the row store cannot hold what is declared.
    """
    try:
        yield
    except InvalidRequest as error:
        known = refusal(str(error), missing)
        if known is None:
            raise
        raise known from error
    except (DriverException, NoHostAvailable, ConnectionException, ErrorMessage) as error:
        raise CassandraUnavailable(where, reason(error)) from error
    except OnlineStoreError as error:
        raise OnlineStoreUnusable(error.what, error.way_out) from error


def refusal(said: str, missing: Callable[[], PocError]) -> PocError | None:
    """Tell what Cassandra means by refusing a statement; None where the statement itself is at fault.

    Args:
        said: its message.
        missing: makes the error for a keyspace or table that is not there.
    """
    if any(text in said for text in _NO_TABLE):
        return missing()
    if _NO_COLUMN in said:
        return FeaturesOutdated(f"The stored table is older than features.py: {_quoted(said)}")
    return None


def holds_rows(session: Session, table: str, timeout_seconds: float) -> bool:
    """Tell whether `table` (quoted, with its keyspace) has any row at all."""
    return session.execute(f"SELECT * FROM {table} LIMIT 1", timeout=timeout_seconds).one() is not None


class Deadline:
    """The end of a wait that several statements share."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Give what is left, in seconds; never zero, which the drivers take for no limit at all."""
        return max(self._end - time.monotonic(), 0.001)


def _quoted(driver_message: str) -> str:
    """Cut `Error from server: code=2200 [Invalid query] message="..."` down to the message."""
    return driver_message.split('message="', 1)[-1].rstrip('"')
