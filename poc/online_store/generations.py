"""Which of a view's tables is served: the row store keeps the values of a view in a table a generation.

A full run claims the next, fills it beside the served one, and switches: how, docs/adr/0016 says.
"""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any, TypeAlias

import psutil
from cassandra import ConsistencyLevel, DriverException, InvalidRequest, OperationTimedOut, Timeout
from cassandra.cluster import NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.query import BatchStatement, SimpleStatement
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from poc.online_store.errors import NoEarlierGeneration, RebuildLost, RebuildRunning
from poc.online_store.failures import lacks_table
from poc.online_store.naming import GENERATIONS, Table, generation_table, quoted, stock_table_name
from poc.online_store.schema import drop_table, make_table
from poc.online_store.session import SPECULATIVE_RETRY, idempotent

log = logging.getLogger(__name__)

FILLING, SERVED, KEPT, FAILED = "filling", "served", "kept", "failed"
TAKEN_BACK, LEFT = "taken back", "left"
HALF_DONE = (FILLING, FAILED)
# A run says this often that it lives; after the whole time another takes its claim over.
LEASE_SECONDS = 30
RENEW_SECONDS = 10.0
# Of what was asked of a node that then said nothing.
MOST_ATTEMPTS = 3
_COLUMNS = "generation, state, made_at, left_at, covered_from, covered_until, content, entities"
_OF_VIEW = "WHERE project = %s AND feature_view = %s"
_LEASE = f" USING TTL {LEASE_SECONDS}"
# CQL, and what is bound.
_Statement: TypeAlias = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Which generations of a view are served and being filled, by their numbers, and by whom."""

    served: int = 0
    filling: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a generation was filled with.

    Attributes:
        covered_from, covered_until: the interval of event time, UTC, the end exclusive.
        content: fingerprint of the source's rows in it.
        entities: how many have a row.
    """

    covered_from: datetime
    covered_until: datetime
    content: str
    entities: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of a view. Times are UTC-aware.

    Attributes:
        state: filling, served, kept (served before, can be again), failed, taken back by a person, or left:
            nobody goes back to it, and it is to be dropped.
        left_at: when it ceased to be served; None where it never was, or still is.
    """

    number: int
    state: str
    made_at: datetime | None
    left_at: datetime | None
    filled: Content | None


class Generations:
    """The generations of the views of one project, in the online store's keyspace."""

    def __init__(self, session: Session, keyspace: str, project: str) -> None:
        self._session, self._keyspace, self._project = session, keyspace, project
        self._table = f"{quoted(keyspace)}.{GENERATIONS}"

    def create(self) -> None:
        """Make the table where it is not there."""
        definition = (
            "(project text, feature_view text, served int STATIC, filling int STATIC, owner text STATIC,"
            " generation int, state text, made_at timestamp, left_at timestamp, covered_from timestamp,"
            " covered_until timestamp, content text, entities bigint,"
            " PRIMARY KEY ((project, feature_view), generation)) WITH CLUSTERING ORDER BY (generation DESC)"
            f" AND speculative_retry = '{SPECULATIVE_RETRY}'"
        )
        make_table(self._session, self._keyspace, GENERATIONS, definition)

    def standing(self, view: str, exactly: bool = True) -> Standing:
        """Say where `view` stands; `exactly` as the last compare-and-set left it, or soon after."""
        row = self._pointed(view, exactly)
        return Standing() if row is None else Standing(row.served or 0, row.filling, row.owner)

    def known(self, view: str) -> list[Generation]:
        """List the generations of `view`, the newest first."""
        select = idempotent(f"SELECT {_COLUMNS} FROM {self._table} {_OF_VIEW}")
        return [_generation(row) for row in self._rows(select, view) if row.generation is not None]

    def claim(self, view: str) -> int:
        """Begin the next generation of `view`; return its number. RebuildRunning: another run fills one."""
        standing = self.standing(view)
        self._require_nobody_fills(view, standing)
        taken = [item.number for item in self.known(view)]
        number = max(standing.served, standing.filling or 0, *taken, 0) + 1
        if not self._batch(
            lambda: self.standing(view) == Standing(standing.served, number, owner()),
            self._point(view, {"owner": owner()}, {"owner": standing.owner}, _LEASE),
            self._point(view, {"filling": number}, {"filling": standing.filling}),
            self._state(view, number, FILLING, made_at=datetime.now(timezone.utc)),
        ):
            raise RebuildRunning(view, self.standing(view).owner or "another run")
        return number

    def renew(self, view: str, number: int) -> None:
        """Say that the run that fills generation `number` lives; RebuildLost where it was taken over."""
        lease = self._point(view, {"owner": owner()}, {"filling": number}, _LEASE)
        if not self._batch(lambda: False, lease):
            raise RebuildLost(view)

    def switch(self, view: str, number: int, filled: Content) -> None:
        """Serve generation `number`, which has been filled, from now on; the one before is kept, if it was.

        Raises RebuildLost: another run took over meanwhile.
        """
        before, known = self.standing(view), self.known(view)
        is_filled = any(item.number == before.served and item.filled is not None for item in known)
        left = [
            self._state(view, item.number, LEFT)
            for item in known
            if item.state in (KEPT, TAKEN_BACK) and item.number != before.served
        ]
        if not self._batch(
            lambda: self.standing(view).served == number,
            self._point(view, {"served": number, "filling": None, "owner": None}, {"filling": number}),
            self._state(view, number, SERVED, **asdict(filled)),
            self._state(view, before.served, KEPT if is_filled else LEFT, left_at=datetime.now(timezone.utc)),
            *left,
        ):
            raise RebuildLost(view)

    def note(self, view: str, filled: Content) -> None:
        """Record what the served generation holds by now."""
        row = self._pointed(view)
        served = None if row is None else row.served
        number = 0 if served is None else served
        point = self._point(view, {"served": number}, {"served": served})
        self._batch(lambda: True, point, self._state(view, number, SERVED, **asdict(filled)))

    def give_up(self, view: str, number: int) -> None:
        """End the run that fills generation `number`; what is served stays."""
        point = self._point(view, {"filling": None, "owner": None}, {"filling": number})
        self._batch(lambda: True, point, self._state(view, number, FAILED))

    def require_earlier(self, view: str) -> Generation:
        """Return the generation that `roll_back` would serve; NoEarlierGeneration where none is kept."""
        for generation in self.known(view):
            if generation.state == KEPT and generation.filled is not None:
                return generation
        raise NoEarlierGeneration(view)

    def roll_back(self, view: str) -> Generation:
        """Serve the generation before the served one again; return it.

        Raises NoEarlierGeneration, RebuildRunning: none is kept, a run is filling the next one.
        """
        standing, back = self.standing(view), self.require_earlier(view)
        self._require_nobody_fills(view, standing)
        if not self._batch(
            lambda: self.standing(view).served == back.number,
            self._point(view, {"served": back.number}, {"served": standing.served, "owner": standing.owner}),
            self._state(view, standing.served, TAKEN_BACK, left_at=datetime.now(timezone.utc)),
            self._state(view, back.number, SERVED, left_at=None),
        ):
            raise RebuildRunning(view, self.standing(view).owner or "another run")
        return replace(back, state=SERVED, left_at=None)

    def drop(self, view: str, number: int) -> None:
        """Drop the table of a generation that nobody reads any more, and forget it."""
        drop_table(self._session, self._keyspace, generation_table(self._project, view, number))
        cql = f"DELETE FROM {self._table} {_OF_VIEW} AND generation = %s IF EXISTS"
        self._batch(lambda: True, (cql, (self._project, view, number)))

    def drop_if_possible(self, view: str, number: int) -> None:
        """Do what `drop` does, or leave it to the next run: what is served does not depend on it."""
        try:
            self.drop(view, number)
        except (DriverException, NoHostAvailable) as error:
            log.warning("Generation %d of %s is left to the next run to drop: %s", number, view, error)

    def forget(self, view: str) -> None:
        """Drop every table of `view`, and all that is known of it."""
        numbers = {0, self.standing(view).served, *(item.number for item in self.known(view))}
        for number in numbers:
            drop_table(self._session, self._keyspace, generation_table(self._project, view, number))
        if numbers != {0}:
            delete = idempotent(f"DELETE FROM {self._table} {_OF_VIEW}")
            self._session.execute(delete, (self._project, view))

    def _require_nobody_fills(self, view: str, standing: Standing) -> None:
        """Raise RebuildRunning unless whoever claimed to fill a generation is known to have died."""
        if standing.owner is not None and not _is_dead(standing.owner):
            raise RebuildRunning(view, standing.owner)

    def _point(self, view: str, to: dict[str, Any], held: dict[str, Any], lease: str = "") -> _Statement:
        """Say where `view` stands, if it stands as was `held`."""
        assigned = ", ".join(f"{name} = %s" for name in to)
        condition = " AND ".join(f"{name} = %s" for name in held)
        cql = f"UPDATE {self._table}{lease} SET {assigned} {_OF_VIEW} IF {condition}"
        return cql, (*to.values(), self._project, view, *held.values())

    def _state(self, view: str, number: int, state: str, **columns: Any) -> _Statement:
        assigned = "".join(f", {name} = %s" for name in columns)
        cql = f"UPDATE {self._table} SET state = %s{assigned} {_OF_VIEW} AND generation = %s"
        return cql, (state, *columns.values(), self._project, view, number)

    def _pointed(self, view: str, exactly: bool = True) -> Any:
        select = idempotent(f"SELECT served, filling, owner FROM {self._table} {_OF_VIEW} LIMIT 1")
        if exactly:
            select.consistency_level = ConsistencyLevel.LOCAL_SERIAL
        return next(iter(self._rows(select, view)), None)

    def _rows(self, statement: Any, view: str) -> list[Any]:
        try:
            return list(self._session.execute(statement, (self._project, view)).all())
        except InvalidRequest as error:
            if not lacks_table(str(error)):
                raise
            # No generation was ever made, or all were dropped.
            return []

    def _batch(self, is_done: Callable[[], bool], *statements: _Statement) -> bool:
        """Run statements about one view as one compare-and-set; tell whether the comparison held.

        Where it was not heard of an earlier attempt, `is_done` says: a frozen or dead node says nothing.
        """
        batch = BatchStatement(serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL)
        for cql, bound in statements:
            batch.add(SimpleStatement(cql), bound)
        for attempt in Retrying(
            retry=retry_if_exception_type((OperationTimedOut, Timeout, ConnectionException, NoHostAvailable)),
            stop=stop_after_attempt(MOST_ATTEMPTS),
            wait=wait_fixed(1),
            reraise=True,
        ):
            with attempt:
                applied = bool(self._session.execute(batch).was_applied)
        return applied or (attempt.retry_state.attempt_number > 1 and is_done())


def online_tables(session: Session, keyspace: str, project: str, view: str) -> dict[str, Table]:
    """Return the tables that may hold `view` now, by the type of the online store, as the yaml states it."""
    served = Generations(session, keyspace, project).standing(view, exactly=False).served
    rows = generation_table(project, view, served)
    return {
        "cassandra": (keyspace, stock_table_name(project, view)),
        "poc.online_store.row_store.CassandraRowOnlineStore": (keyspace, rows),
    }


def owner() -> str:
    """Name this process, for others to know whether it lives."""
    return f"{socket.gethostname()} process {os.getpid()}"


def _is_dead(owner: str) -> bool:
    """Tell whether a run of this machine has ended without giving up its claim."""
    host, _, process = owner.rpartition(" process ")
    return host == socket.gethostname() and not psutil.pid_exists(int(process))


def _generation(row: Any) -> Generation:
    moments = (row.made_at, row.left_at, row.covered_from, row.covered_until)
    aware: Any = (None if moment is None else moment.replace(tzinfo=timezone.utc) for moment in moments)
    made_at, left_at, since, until = aware
    filled = None if row.content is None else Content(since, until, row.content, row.entities)
    return Generation(row.generation, row.state, made_at, left_at, filled)
