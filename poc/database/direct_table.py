"""The table that is read without Feast: one row a transaction, one typed column a feature.

Knows its columns, how it is made and extended, and its statements. Reading through them is
`poc.retrieval`'s, deciding what to write `poc.materialization`'s.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cassandra import InvalidRequest
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from poc.database.sessions import SCHEMA_TIMEOUT_SECONDS, idempotent, make_table
from poc.definitions import FeatureSet
from poc.errors import DirectTableDiffers, InvalidDefinitions
from poc.online_store.patience import SPECULATIVE_RETRY

if TYPE_CHECKING:
    from feast.types import FeastType

EVENT_TIMESTAMP = "event_timestamp"
WRITES_IN_FLIGHT = 100

# By the name of Feast's value type.
_CQL_TYPES = {
    "BOOL": "boolean",
    "BYTES": "blob",
    "FLOAT": "float",
    "DOUBLE": "double",
    "INT32": "int",
    "INT64": "bigint",
    "STRING": "text",
    "UNIX_TIMESTAMP": "timestamp",
}

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class DirectTable:
    """The direct table of one feature view.

    Attributes:
        keyspace: where it is.
        definitions: whose features it holds; the table has the view's name.
    """

    keyspace: str
    definitions: FeatureSet

    @property
    def qualified_name(self) -> str:
        """Keyspace and table, quoted for CQL."""
        return f'"{self.keyspace}"."{self.definitions.view}"'

    @property
    def columns(self) -> dict[str, str]:
        """Every column's CQL type by name: the join key, the features in declared order, the event time."""
        features = {feature.name: cql_type(feature.dtype) for feature in self.definitions.features}
        return {self.definitions.join_key: "text"} | features | {EVENT_TIMESTAMP: "timestamp"}

    @property
    def select_cql(self) -> str:
        """Statement with one marker, the join key: selects the features in declared order, event time."""
        wanted = ", ".join(f'"{name}"' for name in (*self.definitions.names, EVENT_TIMESTAMP))
        return f'SELECT {wanted} FROM {self.qualified_name} WHERE "{self.definitions.join_key}" = ?'

    @property
    def insert_cql(self) -> str:
        """Statement with a marker for each of `columns`, then the write time in microseconds."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        markers = ", ".join("?" for _ in self.columns)
        return f"INSERT INTO {self.qualified_name} ({names}) VALUES ({markers}) USING TIMESTAMP ?"

    def create(self, session: Session) -> tuple[str, ...]:
        """Make the table, or add the columns it lacks; return the added columns' names.

        Raises:
            DirectTableDiffers: a column is there with another type.
        """
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.columns.items())
        make_table(
            session,
            self.keyspace,
            self.definitions.view,
            f'({columns}, PRIMARY KEY ("{self.definitions.join_key}"))'
            f" WITH speculative_retry = '{SPECULATIVE_RETRY}'",
        )
        existing = self._existing_columns(session)
        for name, kind in self.columns.items():
            if name in existing and existing[name] != kind:
                raise DirectTableDiffers(self.qualified_name, name, existing[name], kind)
        added = tuple(name for name in self.columns if name not in existing)
        for name in added:
            session.execute(
                f'ALTER TABLE {self.qualified_name} ADD "{name}" {self.columns[name]}',
                timeout=SCHEMA_TIMEOUT_SECONDS,
            )
        return added

    def is_empty(self, session: Session) -> bool:
        """Tell whether the table is missing or holds no row."""
        try:
            found = session.execute(
                idempotent(f'SELECT "{self.definitions.join_key}" FROM {self.qualified_name} LIMIT 1')
            ).one()
        except InvalidRequest:
            return True
        return found is None

    def write(
        self,
        session: Session,
        rows: Iterable[Row],
        progress: Callable[[int], object] | None = None,
        revision: int = 0,
    ) -> int:
        """Write `rows`, values in the order of `columns`; return how many were acknowledged.

        A row's event time (UTC-aware) is its write time too, so an older row never replaces a newer one;
        `revision`, in microseconds, is added, so that a corrected row replaces one of the same event time.

        Raises:
            the driver's error of the first row that was not acknowledged.
        """
        insert = session.prepare(self.insert_cql)
        # A row carries its write time: written twice, it is the same write.
        insert.is_idempotent = True
        written = 0
        for chunk in _chunks(((*row, _microseconds(row[-1]) + revision) for row in rows), 1000):
            execute_concurrent_with_args(session, insert, chunk, concurrency=WRITES_IN_FLIGHT)
            written += len(chunk)
            if progress is not None:
                progress(len(chunk))
        return written

    def _existing_columns(self, session: Session) -> dict[str, str]:
        rows = session.execute(
            idempotent(
                "SELECT column_name, type FROM system_schema.columns"
                " WHERE keyspace_name = %s AND table_name = %s"
            ),
            (self.keyspace, self.definitions.view),
        )
        return {row.column_name: row.type for row in rows}


def cql_type(dtype: "FeastType") -> str:
    """Name the CQL type of a Feast type.

    Raises:
        InvalidDefinitions: the direct table has no column for such a value.
    """
    kind = _CQL_TYPES.get(dtype.to_value_type().name)
    if kind is None:
        raise InvalidDefinitions(Path("features.py"), f"type {dtype} has no column in the direct table")
    return kind


def _microseconds(event_time: object) -> int:
    if not isinstance(event_time, datetime):
        raise TypeError(f"the last value of a row must be its event time, not {event_time!r}")
    return int(event_time.timestamp()) * 1_000_000 + event_time.microsecond


def _chunks(rows: Iterable[Row], size: int) -> Iterable[Sequence[Row]]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
