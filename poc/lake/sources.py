"""The files of a feature view as Spark sees them: where they are, what rows they hold.

features.py declares a FileSource, on a laptop as in production. What changes is where its path counts
from: the working directory, or `base_path` of the offline store, for example a bucket.
"""

import copy
import hashlib
import re
from pathlib import Path
from typing import Any

from feast import FeatureView, FileSource
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from poc.lake.errors import SourceNotParquet, SourceUnreadable

# Where a row stands: files in the order of their paths, as Arrow reads them, and its place in its file.
POSITION = {"__feast_file": "_metadata.file_path", "__feast_row": "_metadata.row_index"}

# How Spark's own messages begin, inside of Java's.
_CONDITION = re.compile(r"(?<=SparkException: )\[[A-Z_.]+\] ")


def location(path: str, base_path: str | None = None) -> str:
    """Return the URI of a source's `path`, which counts from `base_path`, a folder or a URI."""
    if "://" in path:
        return _hadoop_scheme(path)
    if base_path is not None and "://" in base_path and not Path(path).is_absolute():
        return f"{_hadoop_scheme(base_path).rstrip('/')}/{path}"
    # Absolute: Spark's Java process keeps the working directory that it was started in.
    return f"file://{Path(base_path if base_path is not None else '', path).resolve()}"


def _hadoop_scheme(uri: str) -> str:
    """Name S3 as Hadoop does."""
    scheme, _, rest = uri.partition("://")
    return f"s3a://{rest}" if scheme in ("s3", "s3n") else uri


def open_source(session: SparkSession, source: DataSource, base_path: str | None) -> DataFrame:
    """Open a FileSource of Parquet files, or a SparkSource; its times are made Spark's timestamps.

    Files may differ in columns: a file without one reads as nulls. Folders `name=value` are columns.

    Raises:
        SourceNotParquet: it is neither.
        SourceUnreadable: Spark does not find or understand the files.
    """
    if isinstance(source, SparkSource):
        frame = session.sql(f"SELECT * FROM {source.get_table_query_string()}")
    elif not isinstance(source, FileSource):
        raise SourceNotParquet(source.name, f"a {type(source).__name__}")
    elif source.file_format is not None and not isinstance(source.file_format, ParquetFormat):
        raise SourceNotParquet(source.name, f"of {type(source.file_format).__name__}")
    else:
        where = location(source.path, base_path)
        try:
            frame = session.read.option("mergeSchema", "true").parquet(where)
        except Exception as error:
            if isinstance(error, AnalysisException) or "Parquet" in str(error):
                raise SourceUnreadable(where, reason(str(error))) from error
            raise
    for name in filter(None, (source.timestamp_field, source.created_timestamp_column)):
        if name in frame.columns and not isinstance(frame.schema[name].dataType, TimestampType):
            frame = frame.withColumn(name, F.col(quoted(name)).cast(TimestampType()))
    return frame


def reason(said: str) -> str:
    """Return what Spark itself says, on one line, in what `said` may wrap in Java's words and its stack."""
    told = said.partition("\n\tat ")[0]
    spoken = _CONDITION.search(told)
    return " ".join(told[spoken.start() :].split()) if spoken else said.partition("\n")[0]


def quoted(name: str) -> str:
    """Quote a column's name: a dot in it would ask for a part of the column."""
    return "`" + name.replace("`", "``") + "`"


def with_spark_source(session: SparkSession, view: FeatureView, base_path: str | None) -> FeatureView:
    """Copy `view` over a SparkSource of the same rows, which is what Feast's own SQL asks for."""
    declared: Any = view.batch_source
    if isinstance(declared, SparkSource):
        return view
    table = f"feast_{hashlib.sha256(f'{declared.name} {declared.path}'.encode()).hexdigest()[:16]}"
    open_source(session, declared, base_path).createOrReplaceTempView(table)
    copied = copy.copy(view)
    copied.batch_source = SparkSource(
        name=declared.name,
        table=table,
        timestamp_field=declared.timestamp_field,
        created_timestamp_column=declared.created_timestamp_column,
        field_mapping=declared.field_mapping,
    )
    return copied
