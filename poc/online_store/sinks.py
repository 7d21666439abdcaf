"""Where materialized batches go: the row layout, the stock layout, or any other online store."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from cassandra.cluster import Session
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from poc.online_store import stock_layout
from poc.online_store.acknowledged_writes import Writer, write_all
from poc.online_store.arrow_columns import event_times, milliseconds, python_values
from poc.online_store.bound_rows import BoundRow, FeastRow, now_us, seconds_left
from poc.online_store.connection import ConnectionSettings, connection_settings
from poc.online_store.errors import NullJoinKey, ValueOutOfRange
from poc.online_store.keys import column_as_stored
from poc.online_store.layout import RowLayout
from poc.online_store.row_store import CassandraRowOnlineStore
from poc.online_store.schema import extend_layout
from poc.online_store.types import ColumnType, Value, column_type, key_type
from poc.online_store.write_drivers import WriteSettings, open_writer


class Sink:
    """Takes batches of rows, one row an entity."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write all rows of `batch`; when it returns, every one is acknowledged."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up connections that are the sink's own."""


def open_sink(config: RepoConfig, store: OnlineStore, view: FeatureView, settings: WriteSettings) -> Sink:
    """Choose the sink by the online store and connect it.

    Raises what `open_writer` does; WrittenByAnotherEngine: event times cannot beat what Feast's own wrote.
    """
    if isinstance(store, CassandraRowOnlineStore):
        return _GenerationsSink(config, store, view, settings)
    if getattr(config.online_store, "type", None) == "cassandra":
        return _StockSink(config, view, settings)
    return AnySink(config, store, view)


class _CassandraSink(Sink):
    """A `Sink` over one table, by a statement for each row, which `_rows` binds."""

    _writer: Writer

    def __init__(self, view: FeatureView, settings: WriteSettings) -> None:
        self._timestamp, self._attempts = view.batch_source.timestamp_field, settings.max_attempts

    def write(self, batch: pa.RecordBatch) -> None:
        write_all(self._writer, self._rows(batch), attempts=self._attempts)

    def close(self) -> None:
        self._writer.close()

    def _rows(self, batch: pa.RecordBatch) -> list[BoundRow]:
        raise NotImplementedError


class RowSink(_CassandraSink):
    """A `Sink` over a row layout, the row store's or the direct table's: one mutation an entity.

    The table gets the columns that it lacks; rows past `ttl_seconds` are left out.

    Args:
        session: stays the caller's.
        ttl_seconds: age at which Cassandra removes a row; None for never.
        written_us: the write time of every row, microseconds since 1970; None for each row's event time.

    Raises:
        NotApplied: there is no table.
        TypeChanged, KeyChanged: it was made for other definitions.
    """

    def __init__(
        self,
        layout: RowLayout,
        view: FeatureView,
        connection: ConnectionSettings,
        session: Session,
        settings: WriteSettings,
        ttl_seconds: int | None = None,
        written_us: int | None = None,
    ) -> None:
        super().__init__(view, settings)
        extend_layout(session, layout)
        self._layout, self._ttl_seconds, self._written_us = layout, ttl_seconds, written_us
        self._created = view.batch_source.created_timestamp_column
        cql = layout.insert(layout.features, ttl_seconds is not None)
        self._writer = open_writer(settings, connection, layout.qualified, cql, session)

    def _rows(self, batch: pa.RecordBatch) -> list[BoundRow]:
        events, keys = event_times(batch.column(self._timestamp)), self._layout.keys
        columns = [
            python_values(batch.column(column.field), column.kind, column.field)
            for column in (*keys, *self._layout.features)
        ]
        columns[: len(keys)] = map(column_as_stored, columns, keys)
        created: list[datetime | None] = [None] * batch.num_rows
        if self._created:
            created = milliseconds(event_times(batch.column(self._created)))
        events_us = events.astype(np.int64).tolist()
        written = events_us if self._written_us is None else [self._written_us] * batch.num_rows
        columns += [milliseconds(events), created, written]
        if self._ttl_seconds is None:
            return list(zip(*columns, strict=True))
        now = now_us()
        left = [seconds_left(event_us, self._ttl_seconds, now) for event_us in events_us]
        return [row for row in zip(*columns, left, strict=True) if row[-1] > 0]


class _GenerationsSink(Sink):
    """A `Sink` over those generations of the row store that take writes when it is opened."""

    def __init__(
        self, config: RepoConfig, store: CassandraRowOnlineStore, view: FeatureView, settings: WriteSettings
    ) -> None:
        connection, session = connection_settings(config), store.session(config)
        ttl_seconds = config.online_store.ttl_seconds
        with ExitStack() as opened:
            self._sinks: list[RowSink] = []
            for number in store.written(config, view):
                layout = store.layout(config, view, number)
                sink = RowSink(layout, view, connection, session, settings, ttl_seconds)
                self._sinks.append(opened.enter_context(closing(sink)))
            self._opened = opened.pop_all()
        # A reader of this process may know the table without the columns that a sink has added.
        store.forget()

    def write(self, batch: pa.RecordBatch) -> None:
        for sink in self._sinks:
            sink.write(batch)

    def close(self) -> None:
        self._opened.close()


class _StockSink(_CassandraSink):
    """A `Sink` over the table of Feast's own Cassandra store: one batch on one partition, an entity."""

    def __init__(self, config: RepoConfig, view: FeatureView, settings: WriteSettings) -> None:
        super().__init__(view, settings)
        connection = connection_settings(config)
        self._version: int = config.entity_key_serialization_version
        self._keys, self._features = _kinds(view)
        self._at_event_time = settings.write_time == "event"
        table = stock_layout.stock_table(connection.keyspace, config.project, view.name)
        cql = stock_layout.batch_insert(table, list(self._features), timestamped=self._at_event_time)
        self._writer = open_writer(settings, connection, table, cql)
        if self._at_event_time:
            try:
                cells = self._writer.fetch(stock_layout.CELL_TIMES.format(table=table))
                stock_layout.refuse_wall_clock_cells(view.name, table, cells)
            except BaseException:
                self._writer.close()
                raise

    def _rows(self, batch: pa.RecordBatch) -> list[BoundRow]:
        events = event_times(batch.column(self._timestamp))
        of_keys = {name: (kind, batch.column(name)) for name, kind in self._keys.items()}
        keys, moments = stock_layout.entity_keys(of_keys, self._version), milliseconds(events)
        columns: list[list[Any]] = [events.astype(np.int64).tolist()] if self._at_event_time else []
        for name, kind in self._features.items():
            columns += [stock_layout.value_bytes(batch.column(name), kind, name), keys, moments]
        return list(zip(*columns, strict=True))


class AnySink(Sink):
    """A `Sink` over any other online store, by its own `online_write_batch`."""

    def __init__(self, config: RepoConfig, store: OnlineStore, view: FeatureView) -> None:
        self._config, self._store, self._view = config, store, view

    def write(self, batch: pa.RecordBatch) -> None:
        """See `Sink.write`."""
        self._store.online_write_batch(self._config, self._view, feast_rows(self._view, batch), None)


def feast_rows(view: FeatureView, batch: pa.RecordBatch) -> list[FeastRow]:
    """Convert rows for `online_write_batch` as Feast does; but a null beside a value changes nothing of it.

    Raises WrongValueType, ValueOutOfRange, NullJoinKey: a value that cannot be written.
    """
    source, (of_keys, of_features) = view.batch_source, _kinds(view)
    for name in of_keys:
        if missing := batch.column(name).null_count:
            raise NullJoinKey(name, missing)
    features = _messages(batch, of_features)
    keys = [
        EntityKey(join_keys=list(row), entity_values=list(row.values())) for row in _messages(batch, of_keys)
    ]
    events = event_times(batch.column(source.timestamp_field)).tolist()
    if None in events:
        raise ValueOutOfRange(source.timestamp_field, None, "is no event time")
    created: list[datetime | None] = [None] * batch.num_rows
    if source.created_timestamp_column:
        created = event_times(batch.column(source.created_timestamp_column)).tolist()
    return list(zip(keys, features, events, created, strict=True))


def _kinds(view: FeatureView) -> tuple[dict[str, ColumnType], dict[str, ColumnType]]:
    """Return the types of the join keys, and of the features, by their names."""
    keys = {field.name: key_type(field.name, field.dtype) for field in view.entity_columns}
    return keys, {field.name: column_type(field.name, field.dtype) for field in view.features}


def _messages(batch: pa.RecordBatch, kinds: Mapping[str, ColumnType]) -> list[dict[str, Value]]:
    columns = {name: stock_layout.value_bytes(batch.column(name), kind, name) for name, kind in kinds.items()}
    return [
        {name: Value.FromString(column[row]) for name, column in columns.items()}
        for row in range(batch.num_rows)
    ]
