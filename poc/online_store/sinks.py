"""Where materialized batches go: the row layout, the stock layout, or any other online store."""

from typing import Protocol

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore

# What Feast's own engine converts with, under this name, in every release since 0.20.
from feast.utils import _convert_arrow_to_proto

from poc.online_store.connection import connection_settings
from poc.online_store.layout import row_layout
from poc.online_store.row_sink import RowSink
from poc.online_store.row_store import CassandraRowOnlineStore
from poc.online_store.stock_sink import StockSink
from poc.online_store.writers import SinkSettings


class Sink(Protocol):
    """Takes batches of rows, one row an entity."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write all rows of `batch`; when it returns, every one is acknowledged."""
        ...

    def close(self) -> None:
        """Give up connections."""
        ...


def open_sink(config: RepoConfig, store: OnlineStore, view: FeatureView, settings: SinkSettings) -> Sink:
    """Choose the sink by the online store and connect it.

    Raises:
        NotApplied: the view has no table.
        DriverMissing: see `writers.open_writer`.
        WrittenByAnotherEngine: see `stock_sink`.
    """
    if isinstance(store, CassandraRowOnlineStore):
        connection = connection_settings(config)
        layout = row_layout(connection.keyspace, config.project, view)
        ttl_seconds = config.online_store.ttl_seconds
        return RowSink(layout, view, connection, lambda: store.session(config), settings, ttl_seconds)
    if getattr(config.online_store, "type", None) == "cassandra":
        return StockSink(config, view, settings)
    return AnySink(config, store, view)


class AnySink:
    """Any other online store, by its own `online_write_batch`."""

    def __init__(self, config: RepoConfig, store: OnlineStore, view: FeatureView) -> None:
        self._config = config
        self._store = store
        self._view = view
        self._keys = {field.name: field.dtype.to_value_type() for field in view.entity_columns}

    def write(self, batch: pa.RecordBatch) -> None:
        """Write `batch` as Feast's own engine would."""
        # Through pandas and back, because that is where Feast's conversion expects values to come from.
        table = pa.Table.from_pandas(batch.to_pandas())
        rows = _convert_arrow_to_proto(table, self._view, self._keys)
        self._store.online_write_batch(self._config, self._view, rows, None)

    def close(self) -> None:
        """Do nothing: the store is the caller's."""
