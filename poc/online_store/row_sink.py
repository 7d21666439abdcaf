"""Write batches into a row layout, the row store's or the direct table's: one mutation an entity."""

import time
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pyarrow as pa
from cassandra.cluster import Session
from feast import FeatureView

from poc.online_store.arrow_columns import event_times, milliseconds, python_values
from poc.online_store.connection import ConnectionSettings
from poc.online_store.keys import kept_column
from poc.online_store.layout import RowLayout
from poc.online_store.schema import extend_layout
from poc.online_store.write import seconds_left
from poc.online_store.writer import BoundRow, write_all
from poc.online_store.writers import SinkSettings, open_writer

_MICROSECOND_NS = 1000


class RowSink:
    """A `Sink` over the table of one view, which gets the columns that it lacks.

    Args:
        layout: the table.
        view: names the columns of the batches that are times.
        connection: what a writer connects with.
        session: gives a session that stays the caller's.
        settings: the engine's.
        ttl_seconds: age at which Cassandra removes a row; None for never.

    Raises:
        NotApplied: there is no table.
        TypeChanged, KeyChanged: it was made for other definitions.
    """

    def __init__(
        self,
        layout: RowLayout,
        view: FeatureView,
        connection: ConnectionSettings,
        session: Callable[[], Session],
        settings: SinkSettings,
        ttl_seconds: int | None = None,
    ) -> None:
        concurrency = settings.write_concurrency
        extend_layout(session(), layout)
        self._layout = layout
        self._timestamp = view.batch_source.timestamp_field
        self._created = view.batch_source.created_timestamp_column or None
        self._ttl_seconds = ttl_seconds
        self._revision = settings.revision
        self._attempts = settings.max_attempts
        self._writer = open_writer(
            settings.driver,
            connection,
            layout.qualified,
            layout.insert(layout.features, ttl_seconds is not None),
            connection.write_concurrency if concurrency is None else concurrency,
            session=session,
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
