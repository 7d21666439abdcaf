"""Write batches into Feast's own Cassandra store: one batch on one partition, an entity."""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureView, RepoConfig

from poc.online_store.arrow_columns import event_times, milliseconds
from poc.online_store.connection import connection_settings
from poc.online_store.stock_layout import (
    CELL_TIMES,
    batch_insert,
    entity_keys,
    refuse_wall_clock_cells,
    stock_table,
    value_bytes,
)
from poc.online_store.types import column_type, key_type
from poc.online_store.writer import BoundRow, write_all
from poc.online_store.writers import SinkSettings, open_writer


class StockSink:
    """A `Sink` over the stock store's table of one view.

    Raises:
        WrittenByAnotherEngine: Feast's own engine wrote there, at wall-clock time, which writes at event
            time cannot beat.
    """

    def __init__(self, config: RepoConfig, view: FeatureView, settings: SinkSettings) -> None:
        connection = connection_settings(config)
        concurrency = settings.write_concurrency
        self._version: int = config.entity_key_serialization_version
        self._keys = {field.name: key_type(field.name, field.dtype) for field in view.entity_columns}
        self._features = {field.name: column_type(field.name, field.dtype) for field in view.features}
        self._timestamp = view.batch_source.timestamp_field
        self._revision = settings.revision if settings.write_time == "event" else None
        self._attempts = settings.max_attempts
        table = stock_table(connection.keyspace, config.project, view.name)
        self._writer = open_writer(
            settings.driver,
            connection,
            table,
            batch_insert(table, list(self._features), timestamped=self._revision is not None),
            connection.write_concurrency if concurrency is None else concurrency,
        )
        if self._revision is not None:
            try:
                refuse_wall_clock_cells(table, self._writer.fetch(CELL_TIMES.format(table=table)))
            except BaseException:
                self._writer.close()
                raise

    def write(self, batch: pa.RecordBatch) -> None:
        """Write `batch`."""
        write_all(self._writer, self._rows(batch), attempts=self._attempts)

    def close(self) -> None:
        """Give up the writer's connections."""
        self._writer.close()

    def _rows(self, batch: pa.RecordBatch) -> list[BoundRow]:
        events = event_times(batch.column(self._timestamp))
        keys = entity_keys(
            {name: (kind, batch.column(name)) for name, kind in self._keys.items()}, self._version
        )
        moments = milliseconds(events)
        columns: list[list[Any]] = []
        if self._revision is not None:
            columns.append((events.astype(np.int64) + self._revision).tolist())
        for name, kind in self._features.items():
            columns += [value_bytes(batch.column(name), kind, name), keys, moments]
        return list(zip(*columns, strict=True))
