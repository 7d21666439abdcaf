import json
from contextlib import redirect_stderr
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from io import StringIO
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from second_repository import SecondRepository, write_second_repository

from poc.dataset.generate import SEED, generate_dataset, generate_records
from poc.definitions import ServedFeatures
from poc.errors import DatasetDrifted, ReferenceUnreadable
from poc.materialization.window import Window
from poc.model.reference import TrainingReference, reference_features, reference_in_place, reference_path
from poc.quality.validation import count_long_keys, gate, prepare_validated, validate_service
from poc.repository import declared_service
from poc.settings import Settings

NOW = datetime(2026, 11, 24, 13, 7, tzinfo=timezone.utc)
MONTH = Window(NOW - timedelta(days=30), NOW, NOW - timedelta(days=30), NOW, "the last 30 days")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def served(definitions: ServedFeatures, tmp_path: Path) -> ServedFeatures:
    """The guide's service, its data in a folder of the test's own."""
    [view] = definitions.views
    there = replace(view.definitions, source_path=tmp_path / view.definitions.source_path.name)
    return replace(definitions, views=(replace(view, definitions=there),))


def source(served: ServedFeatures) -> Path:
    return served.feature_sets[0].source_path


def keep_reference(
    settings: Settings, served: ServedFeatures, trained_on: pd.DataFrame, version: str = "1"
) -> None:
    """Keep what the model that `settings` name was trained on, as its training does."""
    reference = TrainingReference(
        model_name="fraud_detection",
        model_alias=settings.model_alias,
        model_version=version,
        feature_service=served.service,
        created_at=NOW,
        rows=len(trained_on),
        features=reference_features(served, trained_on),
    )
    with reference_in_place(settings, reference):
        pass


@pytest.fixture
def trained(settings: Settings, served: ServedFeatures) -> None:
    """Data in place, and the reference of a model that was trained on it."""
    prepare_validated(settings, served, NOW)
    keep_reference(settings, served, generate_dataset(served.feature_sets[0], SEED).to_pandas())


def write_csv(served: ServedFeatures, factor: float, rows: int = 2000) -> None:
    records = generate_records(served.feature_sets[0], 5, [str(number) for number in range(rows)])
    records["amount"] = records["amount"] * factor
    records.to_csv(source(served).with_suffix(".csv"), index=False)


def announced(settings: Settings, served: ServedFeatures, window: Window, accept: bool = False) -> list[str]:
    with redirect_stderr(StringIO()) as said:
        gate(settings, served, accept, served.feature_sets[0], window)
    return said.getvalue().splitlines()


def test_without_a_trained_model_nothing_is_held_to_it(settings: Settings, served: ServedFeatures) -> None:
    write_csv(served, 9)
    [found] = validate_service(settings, served, NOW)
    assert found.drift is None
    [prepared] = prepare_validated(settings, served, NOW)
    assert prepared.records == 2000


def test_without_a_reference_it_is_said_that_drift_is_not_checked(
    settings: Settings, served: ServedFeatures
) -> None:
    prepare_validated(settings, served, NOW)
    database = settings.data_dir / "mlflow.db"
    database.touch()
    settings = settings.model_copy(update={"mlflow_tracking_uri": f"sqlite:///{database}"})
    window, missing = announced(settings, served, MONTH)
    assert window == str(MONTH)
    assert missing.startswith(f"  No training reference in {reference_path(settings)}: drift is not checked.")
    assert "python poc/train_fraud_model.py" in missing


def test_before_the_first_training_a_missing_reference_is_not_mentioned(
    settings: Settings, served: ServedFeatures
) -> None:
    prepare_validated(settings, served, NOW)
    registry = f"sqlite:///{settings.data_dir}/mlflow.db"
    settings = settings.model_copy(update={"mlflow_tracking_uri": registry})
    assert announced(settings, served, MONTH) == [str(MONTH)]


@pytest.mark.usefixtures("trained")
def test_reference_of_a_challenger_does_not_count(settings: Settings, served: ServedFeatures) -> None:
    write_csv(served, 9)
    challenger = settings.model_copy(update={"model_alias": "challenger"})
    [found] = validate_service(settings, served, NOW)
    keep_reference(challenger, served, found.checked.table.to_pandas(), version="2")
    with pytest.raises(DatasetDrifted, match="fraud_detection version 1"):
        prepare_validated(settings, served, NOW)
    assert prepare_validated(challenger, served, NOW)[0].changed


@pytest.mark.usefixtures("trained")
def test_new_file_like_the_training_data_is_taken(settings: Settings, served: ServedFeatures) -> None:
    write_csv(served, 1)
    assert prepare_validated(settings, served, NOW)[0].changed
    assert pq.read_metadata(source(served)).num_rows == 2000


@pytest.mark.usefixtures("trained")
def test_new_file_that_drifted_is_refused_and_the_old_one_stays(
    settings: Settings, served: ServedFeatures
) -> None:
    before = source(served).read_bytes()
    write_csv(served, 9)
    [found] = validate_service(settings, served, NOW)
    assert found.drift is not None
    assert [feature.feature for feature in found.drift.drifted] == ["amount"]
    with pytest.raises(DatasetDrifted, match=r"2,000 new records from .*\.csv") as caught:
        prepare_validated(settings, served, NOW)
    assert caught.value.drifted[0].startswith("amount: PSI ")
    assert "--accept-drift" in caught.value.way_out
    assert source(served).read_bytes() == before


@pytest.mark.usefixtures("trained")
def test_drift_that_is_accepted_is_taken(settings: Settings, served: ServedFeatures) -> None:
    write_csv(served, 9)
    assert prepare_validated(settings, served, NOW, accept_drift=True)[0].changed
    said = announced(settings, served, MONTH, accept=True)
    assert "amount drifted from what fraud_detection version 1 was trained on" in said[1]


@pytest.mark.usefixtures("trained")
def test_timestamps_made_anew_are_no_drift(settings: Settings, served: ServedFeatures) -> None:
    later = NOW + timedelta(days=40)
    assert prepare_validated(settings, served, later)[0].changed
    assert prepare_validated(settings, served, later + timedelta(days=1), refresh=True)[0].changed


@pytest.mark.usefixtures("trained")
def test_parquet_that_somebody_replaced_is_refused_before_it_is_materialized(
    settings: Settings, served: ServedFeatures
) -> None:
    table = pq.read_table(source(served))
    place = table.column_names.index("amount")
    pq.write_table(table.set_column(place, "amount", pc.multiply(table["amount"], 9.0)), source(served))
    assert not prepare_validated(settings, served, NOW)[0].changed
    with pytest.raises(DatasetDrifted, match=r"9,997 rows of .*\.parquet"):
        announced(settings, served, MONTH)


@pytest.mark.usefixtures("trained")
def test_rows_outside_the_window_do_not_count(settings: Settings, served: ServedFeatures) -> None:
    before = replace(MONTH, start=NOW - timedelta(days=800), end=NOW - timedelta(days=400))
    assert "3 rows" in "".join(announced(settings, served, before))


@pytest.mark.usefixtures("trained")
def test_window_with_nothing_to_do_is_not_measured(settings: Settings, served: ServedFeatures) -> None:
    nothing = replace(MONTH, start=NOW, continues=True)
    assert announced(settings, served, nothing) == [str(nothing)]


def test_damaged_reference_stops_everything(settings: Settings, served: ServedFeatures) -> None:
    reference_path(settings).write_text(json.dumps({"rows": 1}))
    with pytest.raises(ReferenceUnreadable):
        prepare_validated(settings, served, NOW)
    assert not source(served).exists()


@pytest.fixture
def repository(tmp_path: Path) -> SecondRepository:
    return write_second_repository(tmp_path / "feature_repo", now=NOW, field_mapping=True)


@pytest.fixture
def several(repository: SecondRepository) -> ServedFeatures:
    """Three views, whose amounts may not drift, and a model was trained on them."""
    served = declared_service(repository.settings())
    limited = {name: {"max_psi": "0.25"} for name in ("amount", "card_mean_amount")}
    views = []
    for view in served.views:
        features = tuple(replace(item, tags=limited.get(item.name, {})) for item in view.features)
        views.append(
            replace(view, features=features, definitions=replace(view.definitions, features=features))
        )
    served = replace(served, views=tuple(views))
    columns = {}
    for view in served.views:
        table = repository.tables[view.definitions.view]
        columns |= {name: table[view.definitions.column(name)].to_pandas()[:240] for name in view.names}
    settings = repository.settings()
    settings.data_dir.mkdir()
    keep_reference(settings, served, pd.DataFrame(columns))
    return served


def make_dearer(repository: SecondRepository, served: ServedFeatures, view: str, column: str) -> None:
    """Put nine times the amounts into the source of `view`."""
    path = next(item for item in served.feature_sets if item.view == view).source_path
    table = repository.tables[view]
    dearer = pc.multiply(table[column], 9.0)
    pq.write_table(table.set_column(table.column_names.index(column), column, dearer), path)


def test_every_view_of_a_service_is_held_to_the_training_data(
    repository: SecondRepository, several: ServedFeatures
) -> None:
    settings = repository.settings()
    assert [found.drift.drifted for found in validate_service(settings, several, NOW)] == [()] * 3
    make_dearer(repository, several, "card_aggregates", "card_mean_amount")
    drifted = {
        found.checked.definitions.view: [item.feature for item in found.drift.drifted]
        for found in validate_service(settings, several, NOW)
    }
    assert drifted == {
        "transaction_features": [],
        "card_aggregates": ["card_mean_amount"],
        "merchant_card_aggregates": [],
    }


def test_rows_of_a_view_are_refused_and_the_window_of_each_is_told_by_its_name(
    repository: SecondRepository, several: ServedFeatures, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its source calls the feature by another name.
    make_dearer(repository, several, "transaction_features", "amt")
    capsys.readouterr()
    begin = partial(gate, repository.settings(), several, False)
    payments, cards, pairs = several.feature_sets
    with pytest.raises(DatasetDrifted, match="400 rows of") as caught:
        begin(payments, MONTH)
    assert caught.value.drifted[0].startswith("amount: PSI ")
    for definitions in (cards, pairs):
        begin(definitions, MONTH)
    assert [
        line.partition(":")[0] for line in capsys.readouterr().err.splitlines() if not line.startswith(" ")
    ] == [item.view for item in several.feature_sets]


def test_feature_of_a_view_that_the_service_leaves_out_is_not_held_to_another_s_of_that_name(
    repository: SecondRepository, several: ServedFeatures
) -> None:
    make_dearer(repository, several, "card_aggregates", "card_mean_amount")
    views = [
        replace(view, features=tuple(item for item in view.features if item.name != "card_mean_amount"))
        for view in several.views
    ]
    found = validate_service(repository.settings(), replace(several, views=tuple(views)), NOW)
    assert [item.drift.drifted for item in found] == [()] * 3


def test_ids_that_no_request_takes_are_counted(settings: Settings, served: ServedFeatures) -> None:
    prepare_validated(settings, served, NOW)
    [view] = served.feature_sets
    assert count_long_keys(view, 256) == {}
    table = pq.read_table(view.source_path)
    ids = table["transaction_id"].to_pylist()
    ids[:3] = ["\N{PILE OF POO}" * 256, "x" * 257, "y" * 1000]
    at = table.schema.get_field_index("transaction_id")
    pq.write_table(table.set_column(at, "transaction_id", [ids]), view.source_path)
    assert count_long_keys(view, 256) == {"transaction_id": 2}
