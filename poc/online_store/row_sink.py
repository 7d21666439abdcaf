"""Write batches into the row layout: one mutation an entity."""

import time
from datetime import datetime

import numpy as np
import pyarrow as pa
from feast import FeatureView, RepoConfig

from poc.online_store.arrow_columns import event_times, milliseconds, python_values
from poc.online_store.connection import row_store_connection
from poc.online_store.keys import kept_column
from poc.online_store.layout import row_layout
from poc.online_store.row_store import CassandraRowOnlineStore
from poc.online_store.write import seconds_left
from poc.online_store.writer import BoundRow, write_all
from poc.online_store.writers import SinkSettings, open_writer

_MICROSECOND_NS = 1000


class RowSink:
    """A `Sink` over the row store's table of one view."""

    def __init__(
        self, config: RepoConfig, store: CassandraRowOnlineStore, view: FeatureView, settings: SinkSettings
    ) -> None:
        connection = row_store_connection(config.online_store, config.repo_path)
        concurrency = settings.write_concurrency
        self._layout = row_layout(connection.keyspace, config.project, view)
        self._timestamp = view.batch_source.timestamp_field
        self._created = view.batch_source.created_timestamp_column or None
        self._ttl_seconds: int | None = config.online_store.ttl_seconds
        self._revision = settings.revision
        self._attempts = settings.max_attempts
        self._writer = open_writer(
            settings.driver,
            connection,
            self._layout.qualified,
            self._layout.insert(self._layout.features, self._ttl_seconds is not None),
            connection.write_concurrency if concurrency is None else concurrency,
            session=lambda: store.session(config),
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Write `batch`; rows past the store's ttl_seconds are left out."""
        rows = self._rows(batch)
        if rows:
            write_all(self._writer, rows, attempts=self._attempts)

    def close(self) -> None:
        """Give up the writer's connections."""
        self._writer.close()

    def _rows(self, batch: pa.RecordBatch) -> list[BoundRow]:
        layout = self._layout
        events = event_times(batch.column(self._timestamp))
        keys = [
            kept_column(python_values(batch.column(key.field), key.kind, key.field), key)
            for key in layout.keys
        ]
        values = [
            python_values(batch.column(feature.field), feature.kind, feature.field)
            for feature in layout.features
        ]
        created: list[datetime | None] = [None] * batch.num_rows
        if self._created is not None:
            created = milliseconds(event_times(batch.column(self._created)))
        events_us = events.astype(np.int64)
        written = (events_us + self._revision).tolist()
        columns = [*keys, *values, milliseconds(events), created, written]
        if self._ttl_seconds is None:
            return list(zip(*columns, strict=True))
        now_us = time.time_ns() // _MICROSECOND_NS
        left = [seconds_left(event_us, self._ttl_seconds, now_us) for event_us in events_us.tolist()]
        return [row for row in zip(*columns, left, strict=True) if row[-1] > 0]
