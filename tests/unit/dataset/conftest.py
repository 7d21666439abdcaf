from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import pytest

from poc.dataset.generate import generate_records
from poc.dataset.prepare import PreparedDataset, check_dataset, write_dataset
from poc.definitions import Feature, FeatureSet
from poc.repository import declared_service
from poc.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def declared() -> FeatureSet:
    """The features of this repository."""
    [found] = declared_service(Settings(_env_file=None, feast_repo_path=ROOT / "feature_repo")).feature_sets
    return found


@pytest.fixture
def definitions(declared: FeatureSet, tmp_path: Path) -> FeatureSet:
    """The features of this repository, their Parquet in a folder of the test's own."""
    return replace(declared, source_path=tmp_path / declared.source_path.name)


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 24, 13, 7, tzinfo=timezone.utc)


@pytest.fixture
def prepare(definitions: FeatureSet, tmp_path: Path, now: datetime) -> Callable[..., PreparedDataset]:
    """Prepare the test's folder; `definitions`, `now` and `refresh` can be given."""

    def call(
        definitions: FeatureSet = definitions, now: datetime = now, refresh: bool = False
    ) -> PreparedDataset:
        return write_dataset(check_dataset(definitions, tmp_path, now, refresh=refresh))

    return call


@pytest.fixture
def csv_path(definitions: FeatureSet) -> Path:
    return definitions.source_path.with_suffix(".csv")


@pytest.fixture
def public_records(definitions: FeatureSet) -> pd.DataFrame:
    """Two hundred records like the public file's: ids that are numbers, from 1."""
    return generate_records(definitions, seed=1, ids=[str(number) for number in range(1, 201)])


@pytest.fixture
def declare(definitions: FeatureSet) -> Callable[..., FeatureSet]:
    """Declare one more feature, in the middle as a person might."""

    def call(name: str, dtype: object, **tags: str) -> FeatureSet:
        first, *others = definitions.features
        return replace(definitions, features=(first, Feature(name, dtype, "", tags), *others))

    return call
