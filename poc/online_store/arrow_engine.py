"""The Feast batch engine: `type: poc.online_store.arrow_engine.ArrowMaterializationEngine`.

Materializes by record batch and by column, into the row store, into Feast's own Cassandra store, or,
through `online_write_batch`, into any other. Either every row of an interval was acknowledged, or the
job fails and Feast does not record the interval.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.materialization.batch_materialization_engine import MaterializationJobStatus
from feast.infra.materialization.local_engine import LocalMaterializationEngine, LocalMaterializationJob
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.base_registry import BaseRegistry

from poc.online_store.sinks import open_sink
from poc.online_store.view_rows import open_rows
from poc.online_store.write_drivers import WriteSettings


class ArrowMaterializationEngineConfig(WriteSettings):
    """Settings under `batch_engine:`; Feast finds this class by its name beside the engine's."""

    type: Literal["poc.online_store.arrow_engine.ArrowMaterializationEngine"] = (
        "poc.online_store.arrow_engine.ArrowMaterializationEngine"
    )
    """Selects the engine."""


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
