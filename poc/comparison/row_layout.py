"""The row store beside a store of another layout: the same features and values, for a comparison.

Its configuration is the selected yaml with two blocks changed, which for the project's own yaml gives
feature_repo/stores/rows.yaml.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from poc.database.endpoint import online_store_type
from poc.definitions import read_repo_yaml
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

ROW_STORE = "poc.online_store.row_store.CassandraRowOnlineStore"
ARROW_ENGINE = "poc.online_store.arrow_engine.ArrowMaterializationEngine"
REGISTRY = "registry_rows.db"

Interval = tuple[datetime, datetime]


def keeps_rows(settings: Settings) -> bool:
    """Tell whether the selected feature_store.yaml names the row store."""
    return online_store_type(settings) == ROW_STORE


def row_store_yaml(settings: Settings) -> dict[str, Any]:
    """Give the selected feature_store.yaml with the row store, the Arrow engine and a registry of its own."""
    content = read_repo_yaml(settings)
    return content | {
        "registry": str((settings.data_dir / REGISTRY).resolve()),
        "online_store": content["online_store"] | {"type": ROW_STORE},
        "batch_engine": {"type": ARROW_ENGINE},
    }


@contextmanager
def row_store_settings(settings: Settings) -> Iterator[Settings]:
    """Give settings that select `row_store_yaml`, until the block ends."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.yaml"
        path.write_text(yaml.safe_dump(row_store_yaml(settings)))
        yield settings.model_copy(update={"feast_fs_yaml_file_path": path})


def apply_same_features(origin: "FeatureStore", rows: "FeatureStore", service: str, view: str) -> None:
    """Apply to `rows` the features as the registry of `origin` has them. What is equal stays as it is."""
    from feast import FeatureView

    applied = origin.get_feature_view(view)
    same = FeatureView.from_proto(applied.to_proto())
    # What was materialized there is not here.
    same.materialization_intervals = []
    entities = [origin.get_entity(name) for name in applied.entities]
    with redirect_stdout(sys.stderr):
        rows.apply([*entities, same, origin.get_feature_service(service)])


def fill_rows(origin: "FeatureStore", rows: "FeatureStore", view: str) -> None:
    """Materialize into `rows` what was materialized into `origin`."""
    with redirect_stdout(sys.stderr):
        for start, end in merged(origin.get_feature_view(view).materialization_intervals):
            rows.materialize(start, end, feature_views=[view])


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals that overlap or touch; Feast records one a run, and hourly runs are many.

    Times without a zone are UTC, as Feast means them.
    """
    joined: list[Interval] = []
    for start, end in sorted((_utc(start), _utc(end)) for start, end in intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
