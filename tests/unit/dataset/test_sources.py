import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from poc.dataset.generate import SEED
from poc.dataset.parquet import Provenance, write_parquet
from poc.dataset.prepare import PreparedDataset
from poc.dataset.sources import find_sources
from poc.definitions import FeatureSet
from poc.errors import DatasetMisnamed, DatasetUnreadable, SourceMissing, TwoDatasets


def origins(definitions: FeatureSet, *, refresh: bool = False) -> list[tuple[str, bool]]:
    """The candidates: where their records come from, and whether they carry timestamps."""
    _, candidates = find_sources(definitions, definitions.source_path.with_suffix(".csv"), refresh=refresh)
    records = [candidate() for candidate in candidates]
    moment = definitions.timestamp_column
    return [
        (item.provenance.origin, moment in item.table.column_names and item.table[moment].null_count == 0)
        for item in records
    ]


def test_nothing_there_is_generated(definitions: FeatureSet) -> None:
    assert origins(definitions) == [("generated", False)]


@pytest.mark.parametrize(
    "name",
    [
        "credit_card_fraud_10k (1).csv",
        "credit_card_fraud_10k-2026.csv",
        "credit_card_fraud_10k.xlsx",
        "Credit_Card_Fraud_10k.Parquet",
        "credit_card_fraud_10k.parquet.gz",
    ],
)
def test_nothing_is_generated_beside_what_may_be_a_persons_records(
    definitions: FeatureSet, prepare: Callable[..., PreparedDataset], csv_path: Path, name: str
) -> None:
    file = csv_path.with_name(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"records")
    with pytest.raises(DatasetMisnamed, match=re.escape(str(file))):
        origins(definitions)
    file.unlink()
    prepare()
    file.write_bytes(b"records")
    with pytest.raises(DatasetMisnamed):
        origins(definitions)


@pytest.mark.parametrize("source", ["credit_card_fraud_10k", "cards"])
def test_new_file_under_another_name_is_not_passed_over_for_what_was_prepared(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    tmp_path: Path,
    source: str,
) -> None:
    declared = replace(definitions, source_path=tmp_path / f"{source}.parquet")
    csv_path = tmp_path / f"{source}.csv"
    public_records.to_csv(csv_path, index=False)
    prepare(definitions=declared)
    new = csv_path.rename(tmp_path / f"{source} (1).csv")
    with pytest.raises(
        DatasetMisnamed, match=re.escape(f"{new}, and {declared.source_path} was made before")
    ):
        origins(declared)
    new.rename(csv_path)
    assert origins(declared) == [("csv", True), ("csv", False)]


def test_another_views_parquet_is_nothing_new(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    tmp_path: Path,
) -> None:
    declared = replace(definitions, source_path=tmp_path / "card.parquet")
    public_records.to_csv(tmp_path / "card.csv", index=False)
    prepare(definitions=declared)
    (tmp_path / "card.csv").unlink()
    public_records.to_parquet(tmp_path / "card_aggregates.parquet")
    assert origins(declared) == [("csv", True)]


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_link_that_leads_nowhere_is_named_and_nothing_stands_in_for_it(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    csv_path: Path,
    prepared: bool,
    ending: str,
) -> None:
    if prepared:
        public_records.to_csv(csv_path, index=False)
        prepare()
        csv_path.unlink()
    link = csv_path.with_suffix(ending)
    link.unlink(missing_ok=True)
    link.symlink_to("gone")
    for look in (prepare, lambda: origins(definitions)):
        with pytest.raises(
            DatasetUnreadable, match=re.escape(f"{link}: it is a link, and gone is not there")
        ):
            look()
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["cards.parquet", "*.parquet", "credit_card_fraud.parquet"])
def test_nothing_is_generated_for_another_source_than_the_guides(definitions: FeatureSet, name: str) -> None:
    other = replace(definitions, source_path=definitions.source_path.with_name(name))
    with pytest.raises(SourceMissing):
        origins(other)


def test_generated_records_in_place_are_kept_and_can_be_generated_anew(
    definitions: FeatureSet, prepare: Callable[..., PreparedDataset]
) -> None:
    prepare()
    assert origins(definitions) == [("generated", True), ("generated", False)]
    assert origins(definitions, refresh=True) == [("generated", False)]


def test_csv_goes_before_generated_records(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    csv_path: Path,
) -> None:
    prepare()
    public_records.to_csv(csv_path, index=False)
    assert origins(definitions) == [("csv", False)]


def test_records_of_the_csv_that_is_there_are_kept(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    csv_path: Path,
) -> None:
    public_records.to_csv(csv_path, index=False)
    prepare()
    assert origins(definitions) == [("csv", True), ("csv", False)]
    assert origins(definitions, refresh=True) == [("csv", False)]


def test_records_of_a_csv_that_is_gone_are_kept_whatever_is_asked(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    csv_path: Path,
) -> None:
    public_records.to_csv(csv_path, index=False)
    prepare()
    csv_path.unlink()
    assert origins(definitions, refresh=True) == [("csv", True)]


@pytest.mark.parametrize("noted", [False, True])
def test_csv_never_replaces_a_persons_parquet(
    definitions: FeatureSet, public_records: pd.DataFrame, csv_path: Path, noted: bool
) -> None:
    """Nor one that is the only copy of its records, whoever made it."""
    public_records.to_parquet(definitions.source_path)
    if noted:
        table = pq.read_table(definitions.source_path)
        write_parquet(definitions.source_path, table, Provenance("parquet", "0" * 64, SEED, False))
    public_records.to_csv(csv_path, index=False)
    with pytest.raises(TwoDatasets, match="both hold data of yours"):
        origins(definitions)


def test_folder_in_place_of_the_parquet_is_unreadable(definitions: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(DatasetUnreadable, match="Is a directory"):
        origins(replace(definitions, source_path=tmp_path))


def test_csv_is_named_by_line_and_parquet_by_row(
    definitions: FeatureSet,
    prepare: Callable[..., PreparedDataset],
    public_records: pd.DataFrame,
    csv_path: Path,
    now: datetime,
) -> None:
    public_records.to_csv(csv_path, index=False)
    prepare()
    _, candidates = find_sources(definitions, csv_path, refresh=False)
    parquet, csv = (candidate() for candidate in candidates)
    assert (parquet.path, parquet.place(0)) == (definitions.source_path, "row 0")
    assert (csv.path, csv.place(0)) == (csv_path, "line 2")
