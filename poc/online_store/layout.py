"""The table of one feature view: its columns, and the statements that create, write and read it."""

from collections.abc import Sequence
from dataclasses import dataclass

from feast import FeatureView

from poc.online_store import naming
from poc.online_store.naming import EVENT_TIMESTAMP, OWN_COLUMNS, column_name, quoted
from poc.online_store.session import SPECULATIVE_RETRY
from poc.online_store.types import ColumnType, column_type, key_type

_KEYS_TOLD_APART = ("text", "blob", "int", "bigint")


@dataclass(frozen=True, slots=True)
class Column:
    """One declared field, by Feast's name; its column's name and type."""

    field: str
    name: str
    kind: ColumnType


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The table of a feature view: one row an entity. Keys are ordered by name, features as declared."""

    view: str
    keyspace: str
    table: str
    keys: tuple[Column, ...]
    features: tuple[Column, ...]
    comment: str

    @property
    def qualified(self) -> str:
        """The table's name for CQL."""
        return f"{quoted(self.keyspace)}.{quoted(self.table)}"

    def columns(self) -> dict[str, str]:
        """Every column's CQL type by its name."""
        declared = {column.name: column.kind.cql for column in (*self.keys, *self.features)}
        return declared | OWN_COLUMNS

    def named(self, fields: Sequence[str] | None) -> tuple[Column, ...]:
        """Return the columns of those `fields` that are features of the view; of all for None."""
        if fields is None:
            return self.features
        known = {column.field: column for column in self.features}
        return tuple(known[field] for field in fields if field in known)

    def create(self) -> str:
        """CREATE TABLE, with a comment for those who look into Cassandra."""
        columns = ", ".join(f"{quoted(name)} {cql}" for name, cql in self.columns().items())
        key = ", ".join(quoted(column.name) for column in self.keys)
        text = self.comment.replace("'", "''")
        return (
            f"CREATE TABLE IF NOT EXISTS {self.qualified} ({columns}, PRIMARY KEY (({key})))"
            f" WITH comment = '{text}' AND speculative_retry = '{SPECULATIVE_RETRY}'"
        )

    def insert(self, features: Sequence[Column], ttl: bool) -> str:
        """INSERT binding the keys, `features`, our own columns, the write time in µs, and the ttl in s."""
        names = [quoted(column.name) for column in (*self.keys, *features)]
        names += map(quoted, OWN_COLUMNS)
        return (
            f"INSERT INTO {self.qualified} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            f" USING TIMESTAMP ?{' AND TTL ?' if ttl else ''}"
        )

    def select(self, features: Sequence[Column]) -> str:
        """SELECT `features`, then the event timestamp, of one entity; binds the keys.

        A column of another type than is declared is refused. Else, when the table is made anew with others,
        values of those would be read; and at protocol 4 the C++ driver goes on reading by the types that a
        statement was prepared with: a double as an integer. A CAST would lose its fraction.
        """
        return self._select_one(_selected(features))

    def select_several(self, features: Sequence[Column]) -> str | None:
        """SELECT `features`, the event timestamp and the key of several entities; binds a list of keys.

        None where rows could not be told apart by what the driver gives for their key: a key of several
        columns, and types in which equal values are different keys (-0.0) or a value is not itself (NaN).
        """
        return self._select_several(_selected(features))

    def select_write_time(self) -> tuple[str, str | None]:
        """SELECT when one entity's row was written, and of several: see `select` and `select_several`."""
        time = f"WRITETIME({quoted(EVENT_TIMESTAMP)})"
        return self._select_one(time), self._select_several(time)

    def _select_one(self, what: str) -> str:
        condition = " AND ".join(f"{quoted(column.name)} = ?" for column in self.keys)
        return f"SELECT {what} FROM {self.qualified} WHERE {condition}"

    def _select_several(self, what: str) -> str | None:
        if len(self.keys) != 1 or self.keys[0].kind.cql not in _KEYS_TOLD_APART:
            return None
        key = quoted(self.keys[0].name)
        return f"SELECT {what}, {key} FROM {self.qualified} WHERE {key} IN ?"


def _selected(features: Sequence[Column]) -> str:
    names = [f"({column.kind.cql}){quoted(column.name)}" for column in features]
    return ", ".join([*names, f"(timestamp){quoted(EVENT_TIMESTAMP)}"])


def row_layout(keyspace: str, project: str, view: FeatureView, generation: int = 0) -> RowLayout:
    """Lay out the table of a generation; UnsupportedType: a field has no column type, or a key is a list."""
    return _layout(keyspace, naming.generation_table(project, view.name, generation), project, view)


def direct_layout(keyspace: str, project: str, view: FeatureView) -> RowLayout:
    """Lay out the table that is read without Feast: as `row_layout`, under a name that people type."""
    return _layout(keyspace, naming.direct_table_name(project, view.name), project, view)


def key_columns(view: FeatureView) -> tuple[Column, ...]:
    """Lay out the join keys, ordered by name; UnsupportedType: one has no column type, or is a list."""
    return tuple(
        Column(field.name, column_name(field.name), key_type(field.name, field.dtype))
        for field in sorted(view.entity_columns, key=lambda field: field.name)
    )


def _layout(keyspace: str, table: str, project: str, view: FeatureView) -> RowLayout:
    keys = key_columns(view)
    # A join key that the schema repeats is among the features of a stream view, and of no other.
    repeated = {column.field for column in keys}
    features = tuple(
        Column(field.name, column_name(field.name), column_type(field.name, field.dtype))
        for field in view.features
        if field.name not in repeated
    )
    comment = f"Feast feature view {view.name} of project {project}, one row an entity"
    return RowLayout(view.name, keyspace, table, keys, features, comment)
