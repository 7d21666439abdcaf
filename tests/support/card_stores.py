"""The yaml of a repository over cards, on either layout of a test's Cassandra."""

from pathlib import Path
from typing import Any

import yaml

from poc.online_store.connection import ConnectionSettings

STORES = {"rows": "poc.online_store.row_store.CassandraRowOnlineStore", "stock": "cassandra"}


def write_configuration(
    repo: Path, registry: Path, layout: str, cassandra: ConnectionSettings, keyspace: str, **online: Any
) -> None:
    """Write feature_store.yaml to `repo`; `online` is what its online_store states beside the connection."""
    config = {
        "project": "cards_project",
        "registry": str(registry),
        "provider": "poc.online_store.provider.ResolvingProvider",
        "online_store": {
            "type": STORES[layout],
            "hosts": list(cassandra.hosts),
            "port": cassandra.port,
            "keyspace": keyspace,
            **online,
        },
        "batch_engine": {"type": "poc.online_store.arrow_engine.ArrowMaterializationEngine"},
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 2,
    }
    (repo / "feature_store.yaml").write_text(yaml.safe_dump(config))
