"""A store beside itself: Feast's loaded configuration with blocks changed, to open or to write for a process.

What the environment overrides is in it, as in the store that it is made from. No yaml is read for it.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from feast import FeatureStore, RepoConfig

from poc.online_store.connection import connection_settings

ROW_STORE = "poc.online_store.row_store.CassandraRowOnlineStore"
ARROW_ENGINE = "poc.online_store.arrow_engine.ArrowMaterializationEngine"
RESOLVING_PROVIDER = "poc.online_store.provider.ResolvingProvider"
# Feast's own, which looks every name up in each call.
LOCAL_PROVIDER = "local"
REGISTRY = "registry_rows.db"


def keeps_rows(store: FeatureStore) -> bool:
    """Tell whether the online store of `store` is the row store."""
    return getattr(store.config.online_store, "type", None) == ROW_STORE


def online_block(store: FeatureStore, **changed: object) -> dict[str, Any]:
    """Return what is stated of the online store of `store`, with some keys changed, for any folder."""
    stated: dict[str, Any] = store.config.online_store.model_dump(exclude_unset=True)
    tls = connection_settings(store.config).tls
    if tls is not None:
        # As stated, its paths are relative to the repository.
        stated["tls"] = asdict(tls)
    return stated | changed


def configuration(store: FeatureStore, **changed: object) -> RepoConfig:
    """Return the configuration of `store` with blocks changed, by their names in a feature_store.yaml."""
    stated = store.config.model_dump(by_alias=True, exclude_unset=True)
    return RepoConfig(**stated | {"online_store": online_block(store)} | changed)


def rows_configuration(store: FeatureStore, data_dir: Path) -> RepoConfig:
    """Return the configuration of the row store beside `store`, with a registry of its own in `data_dir`.

    For the project's own yaml that is feature_repo/stores/rows.yaml.
    """
    return configuration(
        store,
        provider=RESOLVING_PROVIDER,
        registry=str((data_dir / REGISTRY).resolve()),
        online_store=online_block(store, type=ROW_STORE),
        batch_engine={"type": ARROW_ENGINE},
    )


def open_configuration(config: RepoConfig) -> FeatureStore:
    """Open a store as `config` says. Connects to nothing."""
    return FeatureStore(repo_path=str(config.repo_path), config=config)


def write_configuration(config: RepoConfig, path: Path) -> Path:
    """Write `config` to `path` for a process that is to select it; return `path`. It may hold a password."""
    content = config.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"repo_path"})
    # JSON is YAML.
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path
