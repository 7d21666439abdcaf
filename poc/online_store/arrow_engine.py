"""The Feast batch engine: `type: poc.online_store.arrow_engine.ArrowMaterializationEngine`.

Materializes by record batch and by column, into the row store, into Feast's own Cassandra store, or,
through `online_write_batch`, into any other. Either every row of an interval was acknowledged, or the
job fails and Feast does not record the interval.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.materialization.batch_materialization_engine import (
    BatchMaterializationEngine,
    MaterializationJob,
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel
from pydantic import Field

from poc.online_store.sinks import open_sink
from poc.online_store.view_rows import open_rows

logger = logging.getLogger(__name__)


class ArrowMaterializationEngineConfig(FeastConfigBaseModel):  # type: ignore[misc]
    """Settings under `batch_engine:`; Feast finds this class by its name beside the engine's."""

    type: Literal["poc.online_store.arrow_engine.ArrowMaterializationEngine"] = (
        "poc.online_store.arrow_engine.ArrowMaterializationEngine"
    )
    """Selects the engine."""

    driver: Literal["auto", "acsylla", "cassandra-driver"] = "auto"
    """What sends the writes; auto takes acsylla where it is installed."""

    batch_rows: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 5000
    """Entities that are converted and sent at a time; bounds the memory."""

    write_concurrency: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Most statements in flight; the online store's when not stated."""

    max_attempts: Annotated[int, Field(strict=True, ge=1)] = 6
    """How often a write that timed out or met an overload is tried."""

    write_time: Literal["event", "now"] = "event"
    """In the stock layout: `event` lets the newest event win, `now` the last write, as Feast's own engine."""


class ArrowMaterializationJob(MaterializationJob):  # type: ignore[misc]
    """A finished materialization of one view."""

    def __init__(self, task: MaterializationTask, error: BaseException | None) -> None:
        self.task, self._error = task, error

    def status(self) -> MaterializationJobStatus:
        """SUCCEEDED once every row is acknowledged, else ERROR."""
        outcomes = MaterializationJobStatus
        return outcomes.SUCCEEDED if self._error is None else outcomes.ERROR

    def error(self) -> BaseException | None:
        """What went wrong; Feast raises it."""
        return self._error

    def should_be_retried(self) -> bool:
        """No: writes were retried already, and another run of the interval is safe at any time."""
        return False

    def job_id(self) -> str:
        """The view and the interval."""
        return f"{self.task.feature_view.name}-{self.task.start_time}-{self.task.end_time}"

    def url(self) -> str | None:
        """There is no page to look at."""
        return None


class ArrowMaterializationEngine(BatchMaterializationEngine):  # type: ignore[misc]
    """Materializes in this process; see the module."""

    def __init__(
        self,
        *,
        repo_config: RepoConfig,
        offline_store: OfflineStore,
        online_store: OnlineStore,
        **settings: Any,
    ) -> None:
        super().__init__(repo_config=repo_config, offline_store=offline_store, online_store=online_store)
        self.config = ArrowMaterializationEngineConfig(**settings)

    def materialize(
        self, registry: BaseRegistry, tasks: list[MaterializationTask]
    ) -> list[MaterializationJob]:
        """Materialize each task's view; a failure is in its job."""
        return [self._materialize_one(registry, task) for task in tasks]

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask) -> MaterializationJob:
        view, config = task.feature_view, self.repo_config
        try:
            entities = [registry.get_entity(name, task.project) for name in view.entities]
            rows = open_rows(config, self.offline_store, view, entities, task.start_time, task.end_time)
            with ExitStack() as stack:
                bar = stack.enter_context(task.tqdm_builder(rows.num_rows))
                if rows.num_rows:
                    sink = open_sink(config, self.online_store, view, self.config)
                    stack.callback(sink.close)
                    for batch in rows.batches(self.config.batch_rows):
                        sink.write(batch)
                        bar.update(batch.num_rows)
        except Exception as error:
            return ArrowMaterializationJob(task, error)
        return ArrowMaterializationJob(task, None)

    def update(
        self,
        project: str,
        views_to_delete: Sequence[FeatureView],
        views_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Do nothing: the engine keeps nothing anywhere."""

    def teardown_infra(self, project: str, fvs: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Do nothing: the engine keeps nothing anywhere."""
