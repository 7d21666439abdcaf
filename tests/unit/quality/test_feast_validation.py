"""What is logged and saved for validation, of a service over several views on Feast's own sqlite store."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from feast import FeatureStore
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from own_sessions import apply_definitions
from second_repository import SERVICE, SecondRepository, write_second_repository

from poc.definitions import applied_service
from poc.errors import LoggingNotConfigured
from poc.feature_store import close_feature_store, open_feature_store
from poc.model.examples import labelled_examples
from poc.quality.feast_validation import log_online_features, training_data

NOW = datetime(2026, 11, 24, 13, 7, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> SecondRepository:
    folder = tmp_path_factory.mktemp("second")
    sqlite = {"online_store": {"type": "sqlite", "path": str(folder / "online.db")}}
    return write_second_repository(folder / "feature_repo", blocks=sqlite, field_mapping=True, now=NOW)


@pytest.fixture(scope="module")
def store(repository: SecondRepository) -> Iterator[FeatureStore]:
    apply_definitions(repository.settings())
    store = open_feature_store(repository.settings())
    store.materialize(NOW - timedelta(days=30), NOW)
    yield store
    close_feature_store(store)


def test_service_without_logging_config_is_refused(store: FeatureStore) -> None:
    with pytest.raises(LoggingNotConfigured):
        log_online_features(store, SERVICE, [])


def test_log_has_every_join_key_and_every_feature_of_every_view(
    store: FeatureStore, repository: SecondRepository, tmp_path: Path
) -> None:
    service = store.get_feature_service(SERVICE)
    service.logging_config = LoggingConfig(destination=FileLoggingDestination(path=str(tmp_path / "logs")))
    store.apply(service)
    asked = repository.keys[:5]
    assert log_online_features(store, SERVICE, asked) == 5
    logged = ds.dataset(tmp_path / "logs").to_table().sort_by("__log_timestamp").to_pylist()
    names = ("transaction_id", "card_id", "merchant_id")
    assert [{name: row[name] for name in names} for row in logged] == [
        {name: key[name] for name in names} for key in asked
    ]
    served = applied_service(store, SERVICE)
    columns = {f"{view.definitions.view}__{name}" for view in served.views for name in view.names}
    assert columns <= set(logged[0])
    amounts = dict(
        zip(
            *(
                repository.tables["transaction_features"].column(name).to_pylist()
                for name in ("transaction_id", "amt")
            ),
            strict=True,
        )
    )
    assert [row["transaction_features__amount"] for row in logged] == [
        amounts[key["transaction_id"]] for key in asked
    ]


def test_reference_is_made_of_what_the_model_learns_from(
    store: FeatureStore, repository: SecondRepository
) -> None:
    served = applied_service(store, SERVICE)
    rows = training_data(labelled_examples(repository.settings())).to_df()
    assert len(rows) == len(repository.keys)
    features = {f"{view.definitions.view}__{name}" for view in served.views for name in view.names}
    assert set(rows) == {"transaction_id", "card_id", "merchant_id", "event_timestamp", *features}
