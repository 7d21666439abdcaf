"""The state of the online store as it was read at one moment; how it is read and shown is left to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from poc.materialization.records import Attempts, MaterializationRun


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table on one node: its bytes on that disk, rounded up to whole MiB."""

    keyspace: str
    table: str
    node: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TableCount:
    """How many entities one table of a feature view holds, as `poc.online_store.counting` estimates it."""

    keyspace: str
    table: str
    entities: int


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is known of one feature view: the age from which its values are stale, and how it was filled."""

    feature_view: str
    ttl: timedelta | None
    last_run: MaterializationRun | None
    attempts: Attempts

    @property
    def last_success(self) -> datetime | None:
        """When the last attempt that succeeded ended, UTC; None if none did."""
        if self.attempts.last_succeeded_at is not None:
            return self.attempts.last_succeeded_at
        # Runs before attempts were recorded.
        return None if self.last_run is None else self.last_run.finished_at


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a service's feature views and the tables that hold them.

    Attributes:
        online_store: its type in Feast's configuration.
        views: of the service, each once.
        counts: of the views' tables.
        sizes: of all tables of the two keyspaces, on every node that answered.
        nodes: whether each node of the servers' data centre told its sizes.
    """

    online_store: str
    views: Sequence[ViewState]
    counts: Sequence[TableCount]
    sizes: Sequence[TableSize]
    nodes: Mapping[str, bool]


class StateReader(Protocol):
    """Reads the state, again and again."""

    def read(self) -> State:
        """Read it now; CassandraUnavailable where no node answers in time."""
        ...

    def close(self) -> None:
        """Give up the connection."""
        ...
