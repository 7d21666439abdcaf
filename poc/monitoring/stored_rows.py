"""The rows that the two stores hold of a view's entities: read by Feast's public call, or directly."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from poc.definitions import FeatureSet
from poc.monitoring.skew import NEVER_WRITTEN, StoredRow
from poc.online_store.response import Answered, ResolvedResponse
from poc.online_store.view_reader import ViewReader

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.online_response import OnlineResponse

Key: TypeAlias = tuple[Any, ...]
# Reads entities by their join keys, in the order of the view's; None for one that is not stored.
Read: TypeAlias = Callable[[Sequence[Key]], list[StoredRow | None]]


def read_through_feast(store: "FeatureStore", definitions: FeatureSet) -> Read:
    """Return what reads every feature of the view as a server does, whichever of them a service takes."""
    references = [f"{definitions.view}:{name}" for name in definitions.names]

    def read(keys: Sequence[Key]) -> list[StoredRow | None]:
        rows = [_by_name(definitions, key) for key in keys]
        return _stored(store.get_online_features(references, rows), definitions.names)

    return read


def read_directly(reader: ViewReader, definitions: FeatureSet) -> Read:
    """Return what reads every feature of the view by `reader`, without Feast."""

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
    rows: list[StoredRow | None] = []
    for moment, there, values in zip(
        times, zip(*written, strict=True), zip(*columns, strict=True), strict=True
    ):
        if all(there):
            rows.append(StoredRow(values, moment))
        elif any(there):
            marked = zip(values, there, strict=True)
            rows.append(
                StoredRow([value if is_there else NEVER_WRITTEN for value, is_there in marked], moment)
            )
        else:
            rows.append(None)
    return rows
