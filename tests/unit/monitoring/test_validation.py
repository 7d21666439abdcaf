import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from poc.dataset.generate import SEED, generate_dataset, generate_records
from poc.definitions import FeatureSet
from poc.errors import DatasetDrifted, ReferenceUnreadable
from poc.materialization.window import Window
from poc.model.reference import make_reference, reference_in_place, reference_path
from poc.monitoring.validation import gate, prepare_validated, validate_dataset
from poc.settings import Settings

NOW = datetime(2026, 11, 24, 13, 7, tzinfo=timezone.utc)
MONTH = Window(NOW - timedelta(days=30), NOW, NOW - timedelta(days=30), NOW, "the last 30 days")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def features(definitions: FeatureSet, tmp_path: Path) -> FeatureSet:
    return replace(definitions, source_path=tmp_path / definitions.source_path.name)


@pytest.fixture
def trained(settings: Settings, features: FeatureSet) -> None:
    """Data in place, and the reference of a model that was trained on it."""
    prepare_validated(settings, features, NOW)
    reference = make_reference(
        features,
        generate_dataset(features, SEED).to_pandas(),
        model_name="fraud_detection",
        model_alias="champion",
        model_version="1",
        feature_service="fraud_detection_v1",
        created_at=NOW,
    )
    with reference_in_place(settings, reference):
        pass


def write_csv(features: FeatureSet, factor: float, rows: int = 2000) -> None:
    records = generate_records(features, 5, [str(number) for number in range(rows)])
    records["amount"] = records["amount"] * factor
    records.to_csv(features.source_path.with_suffix(".csv"), index=False)


def announced(settings: Settings, features: FeatureSet, window: Window, accept: bool = False) -> list[str]:
    said: list[str] = []
    gate(settings, features, lambda line: said.append(str(line)), accept_drift=accept)(window)
    return said


def test_without_a_trained_model_nothing_is_held_to_it(settings: Settings, features: FeatureSet) -> None:
    write_csv(features, 9)
    assert validate_dataset(settings, features, NOW).drift is None
    assert prepare_validated(settings, features, NOW).records == 2000


def test_without_a_reference_it_is_said_that_drift_is_not_checked(
    settings: Settings, features: FeatureSet
) -> None:
    prepare_validated(settings, features, NOW)
    window, missing = announced(settings, features, MONTH)
    assert window == str(MONTH)
    assert missing.startswith(f"  No training reference in {reference_path(settings)}: drift is not checked.")
    assert "python poc/train_fraud_model.py" in missing


@pytest.mark.usefixtures("trained")
def test_reference_of_a_challenger_does_not_count(settings: Settings, features: FeatureSet) -> None:
    write_csv(features, 9)
    challenger = settings.model_copy(update={"model_alias": "challenger"})
    table = validate_dataset(settings, features, NOW).checked.table
    reference = make_reference(
        features,
        table.to_pandas(),
        model_name="fraud_detection",
        model_alias="challenger",
        model_version="2",
        feature_service="fraud_detection_v1",
        created_at=NOW,
    )
    with reference_in_place(challenger, reference):
        pass
    with pytest.raises(DatasetDrifted, match="fraud_detection version 1"):
        prepare_validated(settings, features, NOW)
    assert prepare_validated(challenger, features, NOW).changed


@pytest.mark.usefixtures("trained")
def test_new_file_like_the_training_data_is_taken(settings: Settings, features: FeatureSet) -> None:
    write_csv(features, 1)
    assert prepare_validated(settings, features, NOW).changed
    assert pq.read_metadata(features.source_path).num_rows == 2000


@pytest.mark.usefixtures("trained")
def test_new_file_that_drifted_is_refused_and_the_old_one_stays(
    settings: Settings, features: FeatureSet
) -> None:
    before = features.source_path.read_bytes()
    write_csv(features, 9)
    found = validate_dataset(settings, features, NOW)
    assert found.drift is not None
    assert [feature.feature for feature in found.drift.drifted] == ["amount"]
    with pytest.raises(DatasetDrifted, match=r"2,000 new records from .*\.csv") as caught:
        prepare_validated(settings, features, NOW)
    assert caught.value.drifted[0].startswith("amount: PSI ")
    assert "--accept-drift" in caught.value.way_out
    assert features.source_path.read_bytes() == before


@pytest.mark.usefixtures("trained")
def test_drift_that_is_accepted_is_taken(settings: Settings, features: FeatureSet) -> None:
    write_csv(features, 9)
    assert prepare_validated(settings, features, NOW, accept_drift=True).changed
    said = announced(settings, features, MONTH, accept=True)
    assert "amount drifted from what fraud_detection version 1 was trained on" in said[1]


@pytest.mark.usefixtures("trained")
def test_timestamps_made_anew_are_no_drift(settings: Settings, features: FeatureSet) -> None:
    later = NOW + timedelta(days=40)
    assert prepare_validated(settings, features, later).changed
    assert prepare_validated(settings, features, later + timedelta(days=1), refresh=True).changed


@pytest.mark.usefixtures("trained")
def test_parquet_that_somebody_replaced_is_refused_before_it_is_materialized(
    settings: Settings, features: FeatureSet
) -> None:
    table = pq.read_table(features.source_path)
    place = table.column_names.index("amount")
    pq.write_table(table.set_column(place, "amount", pc.multiply(table["amount"], 9.0)), features.source_path)
    assert not prepare_validated(settings, features, NOW).changed
    with pytest.raises(DatasetDrifted, match=r"9,997 rows of .*\.parquet"):
        announced(settings, features, MONTH)


@pytest.mark.usefixtures("trained")
def test_rows_outside_the_window_do_not_count(settings: Settings, features: FeatureSet) -> None:
    before = replace(MONTH, start=NOW - timedelta(days=800), end=NOW - timedelta(days=400))
    assert "3 rows" in "".join(announced(settings, features, before))


@pytest.mark.usefixtures("trained")
def test_window_with_nothing_to_do_is_not_measured(settings: Settings, features: FeatureSet) -> None:
    nothing = replace(MONTH, start=NOW, continues=True)
    assert announced(settings, features, nothing) == [str(nothing)]


def test_damaged_reference_stops_everything(settings: Settings, features: FeatureSet) -> None:
    reference_path(settings).write_text(json.dumps({"rows": 1}))
    with pytest.raises(ReferenceUnreadable):
        prepare_validated(settings, features, NOW)
    assert not features.source_path.exists()
