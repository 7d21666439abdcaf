"""The stores that a materialization fills: what each was filled from, and the rows that it holds, read by
Feast's public call or directly.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from poc.definitions import FeatureSet, applied_view
from poc.errors import FeaturesNotMaterialized
from poc.feature_store import connection_of, kept_for
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.online_store.layout import direct_layout
from poc.online_store.naming import Table, online_tables
from poc.online_store.response import Answered, ResolvedResponse
from poc.online_store.session import Session
from poc.online_store.view_reader import RowReader

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.online_response import OnlineResponse

KEYS_PER_STATEMENT = 20


class _NeverWritten:
    """What stands for a feature that was never written for an entity: not a null, which somebody wrote."""

    def __repr__(self) -> str:
        return "never written"


NEVER_WRITTEN = _NeverWritten()


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What a store holds of an entity.

    Attributes:
        values: of the view's features, in declared order; None is a null, `NEVER_WRITTEN` none at all.
        event_time: when they were true, UTC; None where the store was not told.
    """

    values: Sequence[object]
    event_time: datetime | None


Key: TypeAlias = tuple[Any, ...]
# Reads entities by their join keys, in the order of the view's; None for one that is not stored.
Read: TypeAlias = Callable[[Sequence[Key]], list[StoredRow | None]]


@dataclass(frozen=True, slots=True)
class FilledStore:
    """One store of a view.

    Attributes:
        name: for a person.
        read: reads every feature of the view, whichever of them the service takes.
        table: where Cassandra has the view; None for a store whose tables are not known.
        run: the last recorded run; for the direct table, which runs into any store fill, the furthest.
        kept_for: age from which the store itself removes a row; None if it never does.
    """

    name: str
    read: Read
    table: Table | None
    run: MaterializationRun
    kept_for: timedelta | None


def filled_stores(
    store: "FeatureStore", session: Session, direct_keyspace: str, definitions: FeatureSet
) -> tuple[FilledStore, FilledStore]:
    """Return the online store that `store` is configured with, and the direct table, which `session` reads.

    Raises:
        FeaturesNotMaterialized: no run into that online store was recorded.
        OnlineTableMissing, FeaturesOutdated: there is no direct table, or it has another key or type.
    """
    view, online_store = definitions.view, store.config.online_store
    runs = MaterializationRecord(direct_keyspace, store.project).last_of_each_store(session, view)
    run = runs.get(online_store.type)
    if run is None:
        raise FeaturesNotMaterialized(f"Feature view {view}")
    connection = connection_of(store)
    table = online_tables(connection.keyspace, store.project, view).get(online_store.type)
    layout = direct_layout(direct_keyspace, store.project, applied_view(store, view))
    direct = _directly(RowReader(session, layout, None, connection, KEYS_PER_STATEMENT), definitions)
    # Runs into any online store fill the same direct table.
    furthest = max(runs.values(), key=lambda item: item.covered_until)
    return (
        FilledStore("Feast online store", _through_feast(store, definitions), table, run, kept_for(store)),
        FilledStore("Direct table", direct, (layout.keyspace, layout.table), furthest, None),
    )


def _through_feast(store: "FeatureStore", definitions: FeatureSet) -> Read:
    references = [f"{definitions.view}:{name}" for name in definitions.names]

    def read(keys: Sequence[Key]) -> list[StoredRow | None]:
        rows = [_by_name(definitions, key) for key in keys]
        return _stored(store.get_online_features(references, rows), definitions.names)

    return read


def _directly(reader: RowReader, definitions: FeatureSet) -> Read:
    def read(keys: Sequence[Key]) -> list[StoredRow | None]:
        rows = [_by_name(definitions, key) for key in keys]
        ordered = [tuple(row[name] for name in reader.key_names) for row in rows]
        found = reader.read(ordered)
        part = Answered(reader, reader.names, [found.get(key) for key in ordered], frozenset())
        return _stored_of(part, definitions.names)

    return read


def _by_name(definitions: FeatureSet, key: Key) -> dict[str, Any]:
    """Name the parts of a key; those of a view without entities are Feast's own."""
    if not definitions.join_keys:
        return {DUMMY_ENTITY_ID: DUMMY_ENTITY_VAL}
    return dict(zip(definitions.key_names, key, strict=True))


def _stored(answer: "OnlineResponse", names: Sequence[str]) -> list[StoredRow | None]:
    if isinstance(answer, ResolvedResponse):
        [part] = answer.answered
        return _stored_of(part, names)
    values = answer.to_dict()
    columns = dict(zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True))
    written = [[status != FieldStatus.NOT_FOUND for status in columns[name].statuses] for name in names]
    times = [item.ToDatetime(tzinfo=timezone.utc) for item in columns[names[0]].event_timestamps]
    return _rows(times, written, [values[name] for name in names])


def _stored_of(part: Answered, names: Sequence[str]) -> list[StoredRow | None]:
    values = dict(part.columns())
    places = {name: place for place, name in enumerate(part.names)}
    written = [[part.present(row, places[name]) for row in part.rows] for name in names]
    return _rows(part.event_times(), written, [values[name] for name in names])


def _rows(
    times: Iterable[datetime | None], written: Iterable[Sequence[bool]], columns: Iterable[Sequence[object]]
) -> list[StoredRow | None]:
    rows = zip(times, zip(*written, strict=True), zip(*columns, strict=True), strict=True)
    return [_row(values, there, moment) if any(there) else None for moment, there, values in rows]


def _row(values: Sequence[object], there: Sequence[bool], moment: datetime | None) -> StoredRow:
    if not all(there):
        marked = zip(values, there, strict=True)
        values = [value if is_there else NEVER_WRITTEN for value, is_there in marked]
    return StoredRow(values, moment)
