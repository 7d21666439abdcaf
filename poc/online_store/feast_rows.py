"""Found rows as Feast's stores answer them: event time and messages by name, or nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.keys import join_keys
from poc.online_store.layout import Column
from poc.online_store.naming import column_name
from poc.online_store.types import key_type
from poc.online_store.view_reader import Found, JoinKeys, ViewReader

FeatureRow = tuple[datetime | None, dict[str, Value] | None]
_ABSENT: FeatureRow = (None, None)


def read_feast_rows(
    reader: ViewReader, view: FeatureView, entity_keys: Sequence[EntityKey]
) -> list[FeatureRow]:
    """Read by Feast's keys, in their order, as `OnlineStore.online_read` answers.

    A null is a Value without content; a feature that an entity never had is left out.
    """
    keys = _keys(view, entity_keys)
    return _rows(reader, keys, reader.read(_distinct(keys)))


async def read_feast_rows_async(
    reader: ViewReader, view: FeatureView, entity_keys: Sequence[EntityKey]
) -> list[FeatureRow]:
    """Do the same without blocking the event loop."""
    keys = _keys(view, entity_keys)
    return _rows(reader, keys, await reader.read_async(_distinct(keys)))


def _keys(view: FeatureView, entity_keys: Sequence[EntityKey]) -> list[JoinKeys | None]:
    columns = [
        Column(field.name, column_name(field.name), key_type(field.name, field.dtype))
        for field in sorted(view.entity_columns, key=lambda field: field.name)
    ]
    read = join_keys(columns)
    return [read(key) for key in entity_keys]


def _distinct(keys: Sequence[JoinKeys | None]) -> list[JoinKeys]:
    return list(dict.fromkeys(key for key in keys if key is not None))


def _rows(
    reader: ViewReader, keys: Sequence[JoinKeys | None], found: Mapping[JoinKeys, Found]
) -> list[FeatureRow]:
    return [_ABSENT if key is None else _row(reader, found.get(key)) for key in keys]


def _row(reader: ViewReader, found: Found | None) -> FeatureRow:
    if found is None:
        return _ABSENT
    values = {
        name: proto(content)
        for name, proto, stored, content in zip(
            reader.names, reader.proto, reader.stored, found, strict=False
        )
        if stored or content is not None
    }
    return event_time(found), values


def event_time(found: Found) -> datetime | None:
    """Give the event time of a found row, UTC-aware; None where it was written without."""
    moment: datetime | None = found[-1]
    if moment is None or moment.tzinfo is timezone.utc:
        return moment
    # Drivers give UTC without saying so; another store may give another zone.
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
