"""Some features of one view, read by key: what the resolved call and the direct source ask a layout for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from cassandra.cluster import Session
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import FeaturesOutdated, KeyChanged, OnlineTableMissing, TypeChanged
from poc.online_store.keyed_reads import KEYS_PER_STATEMENT, Key, KeyedReads, Row
from poc.online_store.keys import bound_key
from poc.online_store.layout import Column, RowLayout
from poc.online_store.schema import changes, stored_table
from poc.online_store.types import NULL, OF_COLUMN

JoinKeys = tuple[Any, ...]
# Of one entity: a value a feature, as the layout has it, then the event time, UTC with or without saying so.
Found = Row
# As Feast's stores give it; (None, None) for an entity that is not stored.
FeatureRow = tuple[datetime | None, dict[str, Value] | None]


class ViewReader:
    """Reads some features of one view. Safe to use from many threads and event loops at once.

    Attributes:
        names: the features, in the order in which they are found.
        key_names: the view's join keys, in the order in which `read` takes them.
        plain: for each feature, what makes of a found value the one that Feast's `to_dict` gives; None for
            nothing to do.
        proto: for each feature, what makes of a found value Feast's message.
        stored: for each feature, whether an entity that is found has it for certain: its value may be null, a
            None, all the same. Where not, a None says that it was never written.
    """

    names: tuple[str, ...]
    key_names: tuple[str, ...]
    plain: tuple[Callable[[Any], Any] | None, ...]
    proto: tuple[Callable[[Any], Value], ...]
    stored: tuple[bool, ...]
    _reads: KeyedReads

    def read(self, keys: Sequence[JoinKeys]) -> Mapping[JoinKeys, Found]:
        """Read by `keys`. One that is not stored is left out; no answer is the driver's error."""
        bound = self._bind(keys)
        return self._found(bound, self._reads.rows(list(bound)) if bound else {})

    async def read_async(self, keys: Sequence[JoinKeys]) -> Mapping[JoinKeys, Found]:
        """Do the same without blocking the event loop."""
        bound = self._bind(keys)
        return self._found(bound, await self._reads.rows_async(list(bound)) if bound else {})

    def _bind(self, keys: Sequence[JoinKeys]) -> Mapping[Key, JoinKeys]:
        """Return the keys, each once, by what is bound for them; one that no row can have is left out."""
        raise NotImplementedError

    def _found(
        self, bound: Mapping[Key, JoinKeys], found: Mapping[Key, list[Row]]
    ) -> Mapping[JoinKeys, Found]:
        """Make of the rows that are stored, by bound key, what `read` returns."""
        raise NotImplementedError


class RowReader(ViewReader):
    """A `ViewReader` of the row layout: one row an entity, a typed column a feature.

    Args:
        features: those wanted; all for None. One that the view does not have is left out. It may be a join
            key, which Feast leaves among a stream view's features where the schema repeats it.
        as_stored: read a feature by the type of its column, as it was declared when the table was filled.

    Attributes:
        table: quoted, with its keyspace.
        retyped: features that are declared as another type by now.
        lacking: features that the table has no column for yet: they were never written.

    Raises:
        OnlineTableMissing: there is no table.
        FeaturesOutdated: its key, or a column, has another type than it is read by.
    """

    def __init__(
        self,
        session: Session,
        layout: RowLayout,
        features: Sequence[str] | None,
        settings: ConnectionSettings,
        keys_per_statement: int = KEYS_PER_STATEMENT,
        acsylla: AcsyllaReads | None = None,
        as_stored: bool = False,
    ) -> None:
        table = stored_table(session, layout)
        if table is None:
            raise OnlineTableMissing(layout.qualified)
        declared = _wanted(layout, features)
        if as_stored:
            kinds = {name: OF_COLUMN[cql] for name, cql in table.columns.items() if cql in OF_COLUMN}
            found = [replace(c, kind=kinds.get(c.name, c.kind)) for c in layout.features]
            layout = replace(layout, features=tuple(found))
        columns = _wanted(layout, features)
        self.retyped = tuple(
            c.field for c, was in zip(columns, declared, strict=True) if c.kind is not was.kind
        )
        try:
            changes(table, layout)
        except (TypeChanged, KeyChanged) as error:
            raise FeaturesOutdated(error.what) from error
        there = tuple(c for c in columns if c.name in table.columns and c not in layout.keys)
        self.table = layout.qualified
        self.names = tuple(c.field for c in columns)
        self.key_names = tuple(c.field for c in layout.keys)
        self.stored = tuple(c.name in table.columns for c in columns)
        self.lacking = tuple(c.field for c in columns if c.name not in table.columns)
        self.plain = tuple(c.kind.plain() for c in columns)
        self.proto = tuple(_null_or(c.kind.decoder()) for c in columns)
        self._as_selected = there == columns
        # A found value's place in the row with the event time after it, and the key after that.
        places = {column: place for place, column in enumerate((*there, None, *layout.keys))}
        self._places = [places.get(column) for column in columns]
        self._bound = bound_key(layout.keys)
        cql = layout.select(there), layout.select_several(there)
        self._reads = KeyedReads(session, cql, settings.read_concurrency, keys_per_statement, acsylla)

    def _bind(self, keys: Sequence[JoinKeys]) -> Mapping[Key, JoinKeys]:
        make = self._bound
        return {bound: key for key in keys if (bound := make(key)) is not None}

    def _found(
        self, bound: Mapping[Key, JoinKeys], found: Mapping[Key, list[Row]]
    ) -> Mapping[JoinKeys, Found]:
        if self._as_selected:
            return {bound[key]: rows[0] for key, rows in found.items()}
        return {bound[key]: self._completed(rows[0], bound[key]) for key, rows in found.items()}

    def _completed(self, row: Row, key: JoinKeys) -> Found:
        known = (*row, *key)
        return (*(None if place is None else known[place] for place in self._places), row[-1])


def event_time(found: Found) -> datetime | None:
    """Return the event time of a found row, UTC-aware; None where it was written without."""
    moment: datetime | None = found[-1]
    if moment is None or moment.tzinfo is timezone.utc:
        return moment
    # Drivers give UTC without saying so; another store may give another zone.
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def feature_rows(
    reader: ViewReader, keys: Sequence[JoinKeys | None], found: Mapping[JoinKeys, Found]
) -> list[FeatureRow]:
    """Return what `reader` found, as Feast's stores do: event time and values by name, in the keys' order."""
    return [_feature_row(reader, None if key is None else found.get(key)) for key in keys]


def _feature_row(reader: ViewReader, found: Found | None) -> FeatureRow:
    if found is None:
        return None, None
    of_features = zip(reader.names, reader.proto, reader.stored, found, strict=False)
    values = {
        name: proto(content) for name, proto, stored, content in of_features if stored or content is not None
    }
    return event_time(found), values


def _wanted(layout: RowLayout, features: Sequence[str] | None) -> tuple[Column, ...]:
    if features is None:
        return layout.features
    known = {column.field: column for column in (*layout.keys, *layout.features)}
    return tuple(known[name] for name in features if name in known)


def _null_or(decode: Callable[[Any], Value]) -> Callable[[Any], Value]:
    return lambda content: NULL if content is None else decode(content)
