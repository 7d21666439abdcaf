"""The Feast batch engine: `type: poc.online_store.arrow_engine.ArrowMaterializationEngine`.

Materializes by record batch and by column, into the row store, into Feast's own Cassandra store, or,
through `online_write_batch`, into any other. Either every row of an interval was acknowledged, or the
job fails and Feast does not record the interval.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal

import pyarrow as pa
from feast import Entity, FeatureView, FileSource, RepoConfig
from feast.data_format import ParquetFormat
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.materialization.batch_materialization_engine import MaterializationJobStatus
from feast.infra.materialization.local_engine import LocalMaterializationEngine, LocalMaterializationJob
from feast.infra.offline_stores.file import FileOfflineStoreConfig
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.base_registry import BaseRegistry

# Feast's own engines call these two, under these names, in every release since 0.20.
from feast.utils import _get_column_names, _run_pyarrow_field_mapping

from poc.online_store.sinks import open_sink
from poc.online_store.source import Columns, ParquetSource, open_dataset, readable
from poc.online_store.write_drivers import WriteSettings


class ArrowMaterializationEngineConfig(WriteSettings):
    """Settings under `batch_engine:`; Feast finds this class by its name beside the engine's."""

    type: Literal["poc.online_store.arrow_engine.ArrowMaterializationEngine"] = (
        "poc.online_store.arrow_engine.ArrowMaterializationEngine"
    )


class ArrowMaterializationEngine(LocalMaterializationEngine):  # type: ignore[misc]
    """Materializes in this process, as Feast's own local engine does; see the module."""

    def __init__(
        self, *, repo_config: RepoConfig, offline_store: OfflineStore, online_store: OnlineStore, **block: Any
    ) -> None:
        super().__init__(repo_config=repo_config, offline_store=offline_store, online_store=online_store)
        self.config = ArrowMaterializationEngineConfig(**block)

    def _materialize_one(
        self,
        registry: BaseRegistry,
        feature_view: FeatureView,
        start_date: datetime,
        end_date: datetime,
        project: str,
        tqdm_builder: Callable[[int], Any],
    ) -> LocalMaterializationJob:
        job, config = f"{feature_view.name}-{start_date}-{end_date}", self.repo_config
        try:
            entities = [registry.get_entity(name, project) for name in feature_view.entities]
            rows = open_rows(config, self.offline_store, feature_view, entities, start_date, end_date)
            with tqdm_builder(rows.num_rows) as bar:
                if rows.num_rows:
                    with closing(open_sink(config, self.online_store, feature_view, self.config)) as sink:
                        for batch in rows.batches(self.config.batch_rows):
                            sink.write(batch)
                            bar.update(batch.num_rows)
        except Exception as error:
            return LocalMaterializationJob(job, MaterializationJobStatus.ERROR, error)
        return LocalMaterializationJob(job, MaterializationJobStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class EntityRows:
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
) -> EntityRows:
    """Find each entity's latest row of `start` (included) to `end` (excluded).

    It is read by column where reading the files is what the offline store would do, else by that.

    Raises:
        MissingColumns: the source lacks declared columns.
        WrongValueType, ValueOutOfRange: its files have no type in common for one, or not for its values.
    """
    keys, features, timestamp, created = _get_column_names(view, list(entities))
    source, mapping = view.batch_source, dict(view.batch_source.field_mapping or {})
    plain = isinstance(config.offline_store, FileOfflineStoreConfig) and isinstance(source, FileSource)
    if plain and isinstance(source.file_format, ParquetFormat | None) and readable(source.path, timestamp):
        columns = Columns(tuple(keys), tuple(features), timestamp, created or None)
        parquet = ParquetSource(source.path, open_dataset(source.path, columns.all()), columns, start, end)
        return EntityRows(parquet.num_rows, partial(_renamed, parquet, mapping, not keys))
    pulled = pull_latest(config, offline_store, view, entities, start, end)
    table = _run_pyarrow_field_mapping(pulled.to_arrow(), mapping)
    return EntityRows(int(table.num_rows), lambda rows: table.combine_chunks().to_batches(rows))


def pull_latest(
    config: RepoConfig,
    offline_store: OfflineStore,
    view: FeatureView,
    entities: Sequence[Entity],
    start: datetime,
    end: datetime,
) -> RetrievalJob:
    """Have the offline store find what `open_rows` does, under the source's own names."""
    keys, features, timestamp, created = _get_column_names(view, list(entities))
    return offline_store.pull_latest_from_table_or_query(
        config=config,
        data_source=view.batch_source,
        join_key_columns=keys,
        feature_name_columns=features,
        timestamp_field=timestamp,
        created_timestamp_column=created or None,
        start_date=start,
        end_date=end,
    )


def _renamed(
    source: ParquetSource, mapping: Mapping[str, str], dummy_key: bool, rows: int
) -> Iterator[pa.RecordBatch]:
    for batch in source.batches(rows):
        renamed = batch.rename_columns([mapping.get(name, name) for name in batch.schema.names])
        if dummy_key:
            same = pa.array([DUMMY_ENTITY_VAL] * batch.num_rows, pa.string())
            renamed = renamed.append_column(DUMMY_ENTITY_ID, same)
        yield renamed
