"""The Feast batch engine: `type: poc.lake.engine.SparkLakeMaterializationEngine`.

Feast's own `spark.engine`, except for what its executors do: they take Arrow batches instead of pandas
frames, which make floats of integers with nulls, write them as the Arrow engine does, and keep one session a
process.
"""

import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, takewhile
from typing import Annotated, Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.materialization.batch_materialization_engine import MaterializationJobStatus
from feast.infra.materialization.contrib.spark.spark_materialization_engine import (
    SparkMaterializationEngine,
    SparkMaterializationJob,
)
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.base_registry import BaseRegistry
from pydantic import Field
from pyspark.errors import PySparkException

from poc.lake.errors import ExecutorsFailed
from poc.lake.executor import RESULT, Assignment, write_batches
from poc.online_store.arrow_engine import pull_latest
from poc.online_store.write_drivers import WriteSettings

logger = logging.getLogger(__name__)


class SparkLakeMaterializationEngineConfig(WriteSettings):
    """Settings under `batch_engine:`; Feast finds this class by its name beside the engine's."""

    type: Literal["poc.lake.engine.SparkLakeMaterializationEngine"] = (
        "poc.lake.engine.SparkLakeMaterializationEngine"
    )

    partitions: Annotated[int, Field(strict=True, ge=0)] = 0
    """Tasks that write, as in Feast's own engine; 0 leaves it to Spark."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were acknowledged, one an entity, and by how many processes through how many sinks."""

    rows: int
    processes: int
    sessions: int


class SparkLakeMaterializationEngine(SparkMaterializationEngine):  # type: ignore[misc]
    """Materializes on Spark's executors; see the module."""

    def __init__(
        self, *, repo_config: RepoConfig, offline_store: OfflineStore, online_store: OnlineStore, **block: Any
    ) -> None:
        super().__init__(repo_config=repo_config, offline_store=offline_store, online_store=online_store)
        self.config = SparkLakeMaterializationEngineConfig(**block)

    def _materialize_one(
        self,
        registry: BaseRegistry,
        feature_view: FeatureView,
        start_date: datetime,
        end_date: datetime,
        project: str,
        tqdm_builder: Callable[[int], Any],
    ) -> SparkMaterializationJob:
        job = f"{feature_view.name}-{start_date}-{end_date}"
        try:
            written = self._write(registry, feature_view, start_date, end_date, project)
        except Exception as error:
            return SparkMaterializationJob(job, MaterializationJobStatus.ERROR, error)
        logger.info("%s: %s", job, written)
        with tqdm_builder(written.rows) as bar:
            bar.update(written.rows)
        return SparkMaterializationJob(job, MaterializationJobStatus.SUCCEEDED)

    def _write(
        self, registry: BaseRegistry, view: FeatureView, start: datetime, end: datetime, project: str
    ) -> Written:
        entities = [registry.get_entity(name, project) for name in view.entities]
        rows = pull_latest(self.repo_config, self.offline_store, view, entities, start, end).to_spark_df()
        if self.config.partitions:
            rows = rows.repartition(self.config.partitions)
        assignment = Assignment(
            # A stream view too: what it has beside a plain one's, the executors need not.
            FeatureView.to_proto(view).SerializeToString(),
            pickle.dumps(self.repo_config),
            self.config,
        )
        try:
            partitions = rows.mapInArrow(lambda batches: write_batches(batches, assignment), RESULT).collect()
        except PySparkException as error:
            raise ExecutorsFailed(view.name, said_by_python(str(error))) from error
        return Written(
            sum(partition.rows for partition in partitions),
            len({partition.process for partition in partitions}),
            len({partition.session for partition in partitions}),
        )


def said_by_python(text: str) -> str:
    """Find the message of a Python exception in what Spark says of it; its first line where there is none."""
    _, frame, after = text.rpartition('\n  File "')
    if not frame:
        return text.partition("\n")[0] or "it gave no reason"
    # Beside the frame's own line, the code of it is indented.
    said = dropwhile(lambda line: line.startswith(" "), after.splitlines()[1:])
    message = takewhile(lambda line: line.strip() and not line.lstrip().startswith("at "), said)
    return " ".join(line.strip() for line in message)
