"""A feature_store.yaml that cannot be opened says why."""

from pathlib import Path

import pytest

from poc.errors import StorePackageMissing
from poc.feature_store import open_feature_store
from poc.settings import Settings


def test_store_whose_package_is_not_installed_is_named_with_the_way_out(root: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "other.yaml"
    text = (root / "feature_repo/feature_store.yaml").read_text()
    chosen.write_text(text.replace("  type: file", "  type: not_installed.lake.OfflineStore"))
    settings = Settings(feast_repo_path=root / "feature_repo", feast_fs_yaml_file_path=chosen)
    with pytest.raises(StorePackageMissing, match="not_installed") as raised:
        open_feature_store(settings)
    assert str(chosen) in raised.value.way_out
