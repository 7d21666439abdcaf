"""The rows that a store holds of a view, read by Feast's public call or by a reader of the table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from poc.dataset.stored import Key
from poc.dataset.values import Difference, same_event_time, same_value
from poc.definitions import FeatureSet
from poc.online_store.response import Answered, ResolvedResponse
from poc.online_store.view_reader import ViewReader

if TYPE_CHECKING:
    from feast import FeatureStore


class _NeverWritten:
    """What stands for a feature that was never written for an entity: not a null, which somebody wrote."""

    def __repr__(self) -> str:
        return "never written"


NEVER_WRITTEN = _NeverWritten()


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What a store holds of an entity: the view's features in declared order, where None is a null and
    `NEVER_WRITTEN` none at all, and when they were true, UTC; None where the store was not told.
    """

    values: Sequence[object]
    event_time: datetime | None


# Entities that are read at a time beside a source's rows.
BATCH = 1000
# Reads entities by their join keys, in the order of the view's; None for one that is not stored.
Read: TypeAlias = Callable[[Sequence[Key]], list[StoredRow | None]]


def through_feast(store: "FeatureStore", definitions: FeatureSet) -> Read:
    """Return the function that reads entities of a view as the servers do."""
    names = definitions.names
    references = [f"{definitions.view}:{name}" for name in names]

    def read(keys: Sequence[Key]) -> list[StoredRow | None]:
        answer = store.get_online_features(references, [_by_name(definitions, key) for key in keys])
        if isinstance(answer, ResolvedResponse):
            [part] = answer.answered
            return _answered(part, names)
        values = answer.to_dict()
        columns = dict(zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True))
        written = [[status != FieldStatus.NOT_FOUND for status in columns[name].statuses] for name in names]
        times = [item.ToDatetime(tzinfo=timezone.utc) for item in columns[names[0]].event_timestamps]
        return _rows(times, written, [values[name] for name in names])

    return read


def by_reader(reader: ViewReader, definitions: FeatureSet) -> Read:
    """Return the function that reads entities of a view from one table."""

    def read(keys: Sequence[Key]) -> list[StoredRow | None]:
        rows = [_by_name(definitions, key) for key in keys]
        ordered = [tuple(row[name] for name in reader.key_names) for row in rows]
        found = reader.read(ordered)
        part = Answered(reader, reader.names, [found.get(key) for key in ordered], frozenset())
        return _answered(part, definitions.names)

    return read


def _by_name(definitions: FeatureSet, key: Key) -> dict[str, Any]:
    """Name the parts of a key; those of a view without entities are Feast's own."""
    if not definitions.join_keys:
        return {DUMMY_ENTITY_ID: DUMMY_ENTITY_VAL}
    return dict(zip(definitions.key_names, key, strict=True))


def _answered(part: Answered, names: Sequence[str]) -> list[StoredRow | None]:
    values = dict(part.columns())
    places = {name: place for place, name in enumerate(part.names)}
    written = [[part.present(row, places[name]) for row in part.rows] for name in names]
    return _rows(part.event_times(), written, [values[name] for name in names])


def _rows(
    times: Iterable[datetime | None], written: Iterable[Sequence[bool]], columns: Iterable[Sequence[object]]
) -> list[StoredRow | None]:
    found: list[StoredRow | None] = []
    rows = zip(times, zip(*written, strict=True), zip(*columns, strict=True), strict=True)
    for moment, there, values in rows:
        if not all(there):
            marked = zip(values, there, strict=True)
            values = tuple(value if is_there else NEVER_WRITTEN for value, is_there in marked)
        found.append(StoredRow(values, moment) if any(there) else None)
    return found


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a source: join keys and features in declared order, event time in UTC; and what a store holds
    of its entity, None where that is not stored.
    """

    key: Key
    event_time: datetime
    values: Sequence[object]
    stored: StoredRow | None

    @property
    def is_outdated(self) -> bool:
        """Whether the store has a newer value of the entity: one that was pushed since."""
        held = self.stored
        return held is not None and held.event_time is not None and held.event_time > self.event_time


def beside_stored(
    batches: Iterable[pa.RecordBatch], read: Read, definitions: FeatureSet
) -> Iterator[SourceRow]:
    """Yield each row of `batches`, which are under the declared names, with what is stored of its entity."""
    names, moment = definitions.names, definitions.timestamp_column
    for batch in batches:
        columns = batch.select([*definitions.key_names, *names, moment]).to_pydict()
        parts = [columns[name] for name in definitions.key_names]
        keys = list(zip(*parts, strict=True)) if parts else [()] * batch.num_rows
        values = zip(*(columns[name] for name in names), strict=True)
        yield from map(SourceRow, keys, columns[moment], values, read(keys))


def differences(row: SourceRow, definitions: FeatureSet) -> list[Difference]:
    """Return where a stored entity is not exactly the source's row: event time, then declared order.

    A feature that was never written differs from a null.
    """
    key, held = dict(zip(definitions.key_names, row.key, strict=True)), row.stored
    if held is None:
        return [Difference(key, None, None, None)]
    found = []
    if not same_event_time(held.event_time, row.event_time):
        found.append(Difference(key, definitions.timestamp_column, held.event_time, row.event_time))
    for name, stored, value in zip(definitions.names, held.values, row.values, strict=True):
        if not same_value(stored, value):
            found.append(Difference(key, name, stored, value))
    return found
