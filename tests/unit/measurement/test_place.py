import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.feature_store import connection_of, open_feature_store
from poc.measurement.place import (
    configuration,
    keeps_rows,
    online_block,
    open_configuration,
    rows_configuration,
    write_configuration,
)
from poc.settings import Settings


def opened(root: Path, name: str = "feature_store.yaml", **more: object) -> Any:
    repo = root / "feature_repo"
    given = {"feast_repo_path": repo, "feast_fs_yaml_file_path": repo / name} | more
    return open_feature_store(Settings(_env_file=None, **given))


def test_row_store_that_is_measured_is_that_of_the_yaml_in_stores_under_names_of_its_own(
    root: Path, tmp_path: Path
) -> None:
    config = rows_configuration(opened(root), root / "data")
    found = yaml.safe_load(write_configuration(config, tmp_path / "rows.yaml").read_text())
    expected = yaml.safe_load((root / "feature_repo/stores/rows.yaml").read_text())
    assert found.pop("registry") == str((root / "data/registry_measured.db").resolve())
    assert found.pop("project") == f"{expected.pop('project')}_measured"
    assert expected.pop("registry") == "data/registry_rows.db"
    assert found == expected


@pytest.mark.parametrize(("name", "rows"), [("feature_store.yaml", False), ("stores/rows.yaml", True)])
def test_yaml_with_the_row_store_is_told_from_another(root: Path, name: str, rows: bool) -> None:
    assert keeps_rows(opened(root, name)) is rows


def test_variant_keeps_what_the_environment_overrides_and_what_is_not_changed(root: Path) -> None:
    store = opened(root, cassandra_hosts=("10.0.0.1",), cassandra_port=9999)
    variant = open_configuration(configuration(store, provider="local"))
    assert variant.config.provider == "local"
    assert str(connection_of(variant)) == "10.0.0.1:9999"
    assert (variant.config.registry.path, variant.project) == (store.config.registry.path, store.project)


def test_written_configuration_selects_the_same_store_for_its_owner_alone(root: Path, tmp_path: Path) -> None:
    store = opened(root, "stores/cluster.yaml")
    path = write_configuration(configuration(store), tmp_path / "feature_store.yaml")
    again = opened(root, feast_fs_yaml_file_path=path)
    assert connection_of(again) == connection_of(store)
    assert path.stat().st_mode & 0o077 == 0


def test_certificates_are_found_from_any_folder(root: Path, tmp_path: Path) -> None:
    repo = tmp_path / "feature_repo"
    (repo / "stores").mkdir(parents=True)
    shutil.copy(root / "feature_repo/stores/cluster_secure.yaml", repo / "stores")
    (repo / "data").mkdir()
    store = opened(tmp_path, "stores/cluster_secure.yaml")
    tls = online_block(store, keyspace="other")["tls"]
    assert Path(tls["ca"]).is_relative_to(repo)
