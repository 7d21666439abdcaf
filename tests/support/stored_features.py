"""Rows in the stores that the two sources read, written through each store's own way in."""

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from poc.definitions import ServedFeatures
from poc.feature_store import close_feature_store, open_feature_store
from poc.online_store.connection import ConnectionSettings
from poc.online_store.layout import direct_layout
from poc.online_store.schema import apply_layout
from poc.online_store.session import Session
from poc.settings import Settings

FEATURE_REPO = Path(__file__).parents[2] / "feature_repo"


@dataclass(frozen=True, slots=True)
class Row:
    """The stored features of one transaction; a feature that is not named is null."""

    transaction_id: str
    values: Mapping[str, object]
    event_timestamp: datetime


def feature_repo(folder: Path, keyspace: str) -> Path:
    """Copy the feature repository to `folder`, online stores in `keyspace`, registries in `folder`.

    `rows.yaml` there is the one of feature_repo/stores.
    """
    repo = folder / "feature_repo"
    repo.mkdir(parents=True)
    shutil.copy(FEATURE_REPO / "features.py", repo)
    for name in ("feature_store.yaml", "stores/rows.yaml"):
        content = yaml.safe_load((FEATURE_REPO / name).read_text())
        content["online_store"]["keyspace"] = keyspace
        content["registry"] = str(folder / Path(content["registry"]).name)
        (repo / Path(name).name).write_text(yaml.safe_dump(content))
    return repo


def serving_settings(folder: Path, cassandra: ConnectionSettings, keyspace: str, **more: object) -> Settings:
    """Settings of a project in `folder` whose stores are both in `keyspace`."""
    named = {
        "feast_repo_path": feature_repo(folder, keyspace),
        "cassandra_hosts": cassandra.hosts,
        "cassandra_port": cassandra.port,
        "direct_keyspace": keyspace,
        "data_dir": folder,
        "mlflow_tracking_uri": f"sqlite:///{folder}/mlflow.db",
    }
    return Settings(_env_file=None, **(named | more))


def environment(settings: Settings) -> dict[str, str]:
    """Those settings as a server in a process of its own reads them."""
    return {
        "FEAST_REPO_PATH": str(settings.feast_repo_path),
        "CASSANDRA_HOSTS": ",".join(settings.cassandra_hosts or ()),
        "CASSANDRA_PORT": str(settings.cassandra_port),
        "DIRECT_KEYSPACE": settings.direct_keyspace,
        "DATA_DIR": str(settings.data_dir),
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
    } | (
        {}
        if settings.feast_fs_yaml_file_path is None
        else {"FEAST_FS_YAML_FILE_PATH": str(settings.feast_fs_yaml_file_path)}
    )


def write_through_feast(settings: Settings, definitions: ServedFeatures, rows: Iterable[Row]) -> None:
    """Write `rows` the way Feast's materialization does, nulls included."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.type_map import python_values_to_proto_values

    def proto(feature: object, value: object) -> Value:
        if value is None:
            return Value()
        return python_values_to_proto_values([value], feature.dtype.to_value_type())[0]

    [view] = definitions.feature_sets
    [key] = view.key_names
    data = [
        (
            EntityKey(join_keys=[key], entity_values=[Value(string_val=row.transaction_id)]),
            {item.name: proto(item, row.values.get(item.name)) for item in view.features},
            row.event_timestamp,
            None,
        )
        for row in rows
    ]
    store = open_feature_store(settings)
    store._get_provider().online_write_batch(store.config, store.get_feature_view(view.view), data, None)
    close_feature_store(store)


def prepare_direct(session: Session, settings: Settings, definitions: ServedFeatures) -> None:
    """Make the direct table of what is applied, or give it the columns that it lacks."""
    apply_layout(session, _direct(settings, definitions))


def write_direct(
    session: Session, settings: Settings, definitions: ServedFeatures, rows: Iterable[Row]
) -> None:
    """Write `rows` to the direct table, which is made if missing."""
    layout = _direct(settings, definitions)
    apply_layout(session, layout)
    statement = session.prepare(layout.insert(layout.features, ttl=False))
    for row in rows:
        values = [row.values.get(column.field) for column in layout.features]
        written = time.time_ns() // 1000
        session.execute(statement, (row.transaction_id, *values, row.event_timestamp, None, written))


def _direct(settings: Settings, definitions: ServedFeatures) -> object:
    store = open_feature_store(settings)
    [view] = definitions.feature_sets
    return direct_layout(settings.direct_keyspace, store.project, store.get_feature_view(view.view))
