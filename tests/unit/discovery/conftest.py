"""A registry of this repository's features, made without a Cassandra."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poc.discovery.page import registered_apart
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

Registered = Callable[[str], Iterator["FeatureStore"]]


@pytest.fixture
def registered(root: Path, tmp_path: Path) -> Registered:
    """Applies features.py, with a text put in another's place, to a registry of its own; gives the store."""

    @contextmanager
    def register(old: str = "", new: str = "") -> Iterator["FeatureStore"]:
        text = (root / "feature_repo/features.py").read_text()
        assert old in text
        (tmp_path / "features.py").write_text(text.replace(old, new) if old else text)
        yaml = (root / "feature_repo/feature_store.yaml").read_text()
        (tmp_path / "feature_store.yaml").write_text(yaml)
        with registered_apart(Settings(feast_repo_path=tmp_path)) as store:
            yield store

    return register
