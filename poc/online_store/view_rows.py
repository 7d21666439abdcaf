"""The rows of a feature view to materialize: read by column where possible, else by the offline store."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pyarrow as pa
from feast import Entity, FeatureView, FileSource, RepoConfig
from feast.data_format import ParquetFormat
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file import FileOfflineStoreConfig
from feast.infra.offline_stores.offline_store import OfflineStore

# Feast's own engines call these two, under these names, in every release since 0.20.
from feast.utils import _get_column_names, _run_pyarrow_field_mapping

from poc.online_store.source import Columns, ParquetSource, open_dataset, readable


@dataclass(frozen=True, slots=True)
class ViewRows:
    """One row an entity, under the names that the view declares; in batches of at most so many rows."""

    num_rows: int
    batches: Callable[[int], Iterable[pa.RecordBatch]]


def open_rows(
    config: RepoConfig,
    offline_store: OfflineStore,
    view: FeatureView,
    entities: Sequence[Entity],
    start: datetime,
    end: datetime,
) -> ViewRows:
    """Find each entity's latest row of `start` (included) to `end` (excluded).

    Raises:
        MissingColumns: the source lacks declared columns.
        WrongValueType, ValueOutOfRange: its files have no type in common for one, or not for its values.
    """
    keys, features, timestamp, created = _get_column_names(view, list(entities))
    mapping = dict(view.batch_source.field_mapping or {})
    columns = Columns(tuple(keys), tuple(features), timestamp, created or None)
    source = view.batch_source
    # Whether reading the files is what the offline store would do.
    plain = isinstance(config.offline_store, FileOfflineStoreConfig) and isinstance(source, FileSource)
    if plain and isinstance(source.file_format, ParquetFormat | None) and readable(source.path, timestamp):
        dataset = open_dataset(source.path, columns.all())
        parquet = ParquetSource(source.path, dataset, columns, start, end)
        return ViewRows(parquet.num_rows, partial(_renamed, parquet, mapping, not keys))
    pulled = offline_store.pull_latest_from_table_or_query(
        config=config,
        data_source=source,
        join_key_columns=keys,
        feature_name_columns=features,
        timestamp_field=timestamp,
        created_timestamp_column=created,
        start_date=start,
        end_date=end,
    )
    table = _run_pyarrow_field_mapping(pulled.to_arrow(), mapping)
    return ViewRows(int(table.num_rows), lambda rows: table.combine_chunks().to_batches(rows))


def _renamed(
    source: ParquetSource, mapping: dict[str, str], dummy_key: bool, rows: int
) -> Iterator[pa.RecordBatch]:
    for batch in source.batches(rows):
        renamed = batch.rename_columns([mapping.get(name, name) for name in batch.schema.names])
        if dummy_key:
            same = pa.array([DUMMY_ENTITY_VAL] * batch.num_rows, pa.string())
            renamed = renamed.append_column(DUMMY_ENTITY_ID, same)
        yield renamed
