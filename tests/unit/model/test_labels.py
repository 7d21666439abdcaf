"""Labels of a source that is only read: what is none is named before something learns from it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from poc.dataset.generate import generate_records
from poc.dataset.prepare import check_service
from poc.dataset.stored import labelled_view
from poc.definitions import ServedFeatures
from poc.errors import ColumnsMissing, DatasetRefused, DatasetUnreadable, LabelsUnavailable, TwoDatasets
from poc.model.examples import Labels, read_labels

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
MEANT = "; allowed are 0 and 1, false and true, and nothing where it is not known"

Write = Callable[..., ServedFeatures]


@pytest.fixture
def write(definitions: ServedFeatures, tmp_path: Path) -> Write:
    """Writes a person's folder of Parquet with twelve payments, and gives the service that reads it."""
    folder = tmp_path / "parts"
    folder.mkdir()
    [view] = definitions.views
    there = replace(view.definitions, source_path=folder)
    records = generate_records(there, 1, [str(number) for number in range(12)])

    def written(labels: list[Any], repeated: bool = False) -> ServedFeatures:
        frame = records.drop(columns="is_fraud").assign(timestamp=NOW, created_timestamp=NOW)
        frame["is_fraud"] = labels * (len(frame) // len(labels))
        pd.concat([frame] * (1 + repeated)).to_parquet(folder / "0.parquet", index=False)
        return replace(definitions, views=(replace(view, definitions=there),))

    return written


def learn(served: ServedFeatures) -> Labels:
    return read_labels(served, served.views[0])


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([-1, 1], "6 rows (-1)"),
        ([0, 1, 2], "4 rows (2)"),
        (["yes", "no"], "12 rows ('yes', 'no')"),
        (["0", "1", "fraud", None], "3 rows ('fraud')"),
        ([0.0, 0.5], "6 rows (0.5)"),
        ([b"0", b"1"], "12 rows (b'0', b'1')"),
        ([[0], [1]], "12 rows ([0], [1])"),
        (list(range(12)), "10 rows (2, 3, 4, 5, 6, ...)"),
        ([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 2], "1 row (2)"),
    ],
    ids=str,
)
def test_what_is_no_label_is_named_at_setup_and_at_training(
    write: Write, tmp_path: Path, labels: list[Any], found: str
) -> None:
    served = write(labels)
    for read in (learn, lambda served: check_service(served, tmp_path, NOW)):
        with pytest.raises(DatasetRefused) as raised:
            read(served)
        assert raised.value.about["problems"] == (f"is_fraud: neither 0 nor 1 in {found}{MEANT}",)


@pytest.mark.parametrize(
    ("labels", "unlabelled"),
    [
        ([0, 1], 0),
        ([False, True], 0),
        (["false", "TRUE"], 0),
        ([0.0, 1.0, None], 4),
        (["0", "1", " ", None], 6),
    ],
    ids=str,
)
def test_words_for_0_and_1_are_read_and_what_is_missing_is_counted(
    write: Write, tmp_path: Path, labels: list[Any], unlabelled: int
) -> None:
    served = write(labels)
    found = learn(served)
    assert set(found.rows.column("is_fraud").to_pylist()) == {0, 1}
    assert found.left_out.unlabelled == unlabelled
    [checked] = check_service(served, tmp_path, NOW)
    assert checked.records == 12


def test_label_of_another_name_is_the_one_that_the_source_renames(write: Write, tmp_path: Path) -> None:
    written = write([0, 1, 2])
    path = tmp_path / "parts/0.parquet"
    pd.read_parquet(path).rename(columns={"is_fraud": "Class"}).to_parquet(path)
    [view] = written.views
    renaming = replace(view.definitions, source_columns={"is_fraud": "Class"})
    served = replace(written, views=(replace(view, definitions=renaming),))
    for read in (learn, lambda served: check_service(served, tmp_path, NOW)):
        with pytest.raises(DatasetRefused, match="Class: neither 0 nor 1 in 4 rows"):
            read(served)
    pd.read_parquet(path).replace({"Class": {2: 1}}).to_parquet(path)
    assert learn(served).rows.column("is_fraud").to_pylist() == [0, 1, 1] * 4
    assert labelled_view(served) is served.views[0]
    with pytest.raises(ColumnsMissing, match="has no column is_fraud"):
        labelled_view(written)


def test_csv_beside_a_folder_of_the_same_name_is_not_passed_over(write: Write, tmp_path: Path) -> None:
    served = write([0])
    (tmp_path / "parts.csv").write_text("id\n1\n")
    with pytest.raises(TwoDatasets):
        check_service(served, tmp_path, NOW)


def test_folder_without_a_file_is_told_as_that(write: Write, tmp_path: Path) -> None:
    served = write([0])
    (tmp_path / "parts/0.parquet").unlink()
    with pytest.raises(DatasetUnreadable, match="a folder without a Parquet file"):
        check_service(served, tmp_path, NOW)


def test_source_without_labels_is_only_read(write: Write, tmp_path: Path) -> None:
    served = write([0])
    path = tmp_path / "parts/0.parquet"
    pd.read_parquet(path).drop(columns="is_fraud").to_parquet(path)
    assert len(check_service(served, tmp_path, NOW)) == 1


@pytest.mark.parametrize(
    ("labels", "repeated", "said", "way_out"),
    [
        (
            [None],
            False,
            "its column is_fraud is empty",
            "say which payments were fraud (is_fraud: 1, others 0)",
        ),
        ([0, 1], True, "nothing says which one is right", "Take out all but one of each"),
    ],
)
def test_labels_that_say_nothing_are_told_with_what_would(
    write: Write, labels: list[Any], repeated: bool, said: str, way_out: str
) -> None:
    with pytest.raises(LabelsUnavailable, match=said) as raised:
        learn(write(labels, repeated))
    assert way_out in raised.value.way_out
