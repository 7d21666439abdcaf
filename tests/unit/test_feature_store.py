"""A feature_store.yaml that cannot be opened says why."""

from pathlib import Path

import pytest

from poc.errors import InvalidDefinitions, RegistryUnreadable, StorePackageMissing
from poc.feature_store import load_config, open_feature_store
from poc.repository import apply_definitions
from poc.settings import Settings


def test_store_whose_package_is_not_installed_is_named_with_the_way_out(root: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    chosen.write_text(text.replace("  type: file", "  type: not_installed.lake.OfflineStore"))
    settings = Settings(feast_repo_path=root / "feature_repo", feast_fs_yaml_file_path=chosen)
    with pytest.raises(StorePackageMissing, match="not_installed") as raised:
        open_feature_store(settings)
    assert str(chosen) in raised.value.way_out


def test_yaml_replaces_variables_of_the_environment(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    chosen.write_text(text.replace("  port: 9042", "  port: 9042\n  username: ${STORE_USER}"))
    monkeypatch.setenv("STORE_USER", "feast")
    assert load_config(Settings(feast_fs_yaml_file_path=chosen)).online_store.username == "feast"


def test_registry_whose_driver_is_not_installed_is_told_as_a_package_that_is_missing(
    root: Path, tmp_path: Path
) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    registry = "registry: {registry_type: sql, path: 'mssql+pymssql://user:hidden@nowhere/features'}"
    chosen.write_text(text.replace("registry: data/registry.db", registry))
    with pytest.raises(StorePackageMissing, match="pymssql") as refused:
        open_feature_store(Settings(feast_fs_yaml_file_path=chosen))
    assert "hidden" not in str(refused.value)


def test_registry_at_an_address_that_feast_does_not_know_is_told_without_its_password(
    root: Path, tmp_path: Path
) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    chosen.write_text(text.replace("data/registry.db", "postgresql://user:hidden@nowhere/features"))
    with pytest.raises(InvalidDefinitions, match="postgresql://nowhere/features") as refused:
        open_feature_store(Settings(feast_fs_yaml_file_path=chosen))
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "online_store: {type: cassandra}"])
def test_yaml_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "store.yaml"
    path.write_text(text)
    with pytest.raises(InvalidDefinitions, match=r"store\.yaml"):
        load_config(Settings(feast_fs_yaml_file_path=path))


@pytest.mark.parametrize("engine", ["{type: spark}", "bytewax"])
def test_engine_that_feast_does_not_have_is_told_for_that(root: Path, tmp_path: Path, engine: str) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    chosen.write_text(text.replace("batch_engine:", f"batch_engine: {engine}\nother:"))
    with pytest.raises(InvalidDefinitions, match="batch_engine: its type is none"):
        load_config(Settings(feast_fs_yaml_file_path=chosen))


@pytest.mark.parametrize(
    "secret", ["@hidden", "hid: den", "[hidden", "*hidden", "!hidden", "%hidden", "{hidden"]
)
def test_yaml_that_a_password_spoils_is_told_by_its_line_and_without_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    chosen.write_text(text.replace("  port: 9042", "  port: 9042\n  password: ${STORE_PASSWORD}"))
    monkeypatch.setenv("STORE_PASSWORD", secret)
    with pytest.raises(InvalidDefinitions, match=r"other\.yaml: line \d+, column \d+: ") as refused:
        load_config(Settings(feast_fs_yaml_file_path=chosen))
    assert "hid" not in str(refused.value)


# Feast 0.38 writes with two connections at once, which SQLite does not take.
DATABASE = """
project: poc
provider: local
registry:
  registry_type: sql
  path: sqlite:///{folder}/registry.db
  sqlalchemy_config_kwargs: {{connect_args: {{timeout: 0.1}}{more}}}
online_store: {{type: sqlite, path: {folder}/online.db}}
entity_key_serialization_version: 2
"""


def test_registry_that_fails_while_it_is_written_is_named_with_what_lets_it_be_written(
    root: Path, tmp_path: Path
) -> None:
    chosen = tmp_path / "database.yaml"
    chosen.write_text(DATABASE.format(folder=tmp_path, more=""))
    settings = Settings(feast_repo_path=root / "feature_repo", feast_fs_yaml_file_path=chosen)
    with pytest.raises(RegistryUnreadable, match=r"registry\.db: .*database is locked") as raised:
        apply_definitions(settings)
    assert "{isolation_level: AUTOCOMMIT}" in raised.value.way_out
    chosen.write_text(DATABASE.format(folder=tmp_path, more=", isolation_level: AUTOCOMMIT"))
    apply_definitions(settings)


UNREADABLE_SOURCE = """
from feast import Entity, FeatureView, FileSource, ValueType

thing = Entity(name="thing", join_keys=["id"], value_type=ValueType.STRING)
source = FileSource(path="/nowhere/things.parquet", timestamp_field="at")
things = FeatureView(name="things", entities=[thing], source=source)
"""


def test_source_that_cannot_be_read_is_not_told_for_the_registry(tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text(UNREADABLE_SOURCE)
    (tmp_path / "feature_store.yaml").write_text(
        f"project: own\nprovider: local\nregistry: {tmp_path}/registry.db\n"
        f"online_store: {{type: sqlite, path: {tmp_path}/online.db}}\nentity_key_serialization_version: 2\n"
    )
    with pytest.raises(FileNotFoundError, match=r"things\.parquet"):
        apply_definitions(Settings(feast_repo_path=tmp_path))
