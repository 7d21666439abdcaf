from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.types import Float64

from poc.dataset.prepare import PreparedDataset
from poc.dataset.stored import count_waiting, dataset_fingerprint, latest_rows, sample_view
from poc.definitions import FeatureSet
from poc.errors import ColumnsMissing, DatasetNotPrepared, DatasetUnreadable


@pytest.fixture
def prepared(prepare: Callable[..., PreparedDataset]) -> PreparedDataset:
    return prepare()


@pytest.mark.usefixtures("prepared")
def test_latest_row_is_the_newest_record(definitions: FeatureSet) -> None:
    frame = pd.read_parquet(definitions.source_path)
    of_id = frame[frame[definitions.key_names[0]] == "12345"].sort_values(definitions.timestamp_column)
    row = latest_rows(definitions, [("12345",)])[("12345",)]
    assert row.event_timestamp == of_id[definitions.timestamp_column].iloc[-1]
    assert row.values == of_id[list(definitions.names)].iloc[-1].to_dict()
    assert tuple(row.values) == definitions.names


@pytest.mark.usefixtures("prepared")
def test_latest_row_as_of_a_moment_is_what_was_known_then(definitions: FeatureSet) -> None:
    asked = datetime(2024, 12, 1, 10, tzinfo=timezone.utc)
    row = latest_rows(definitions, [("12345",), ("1",)], as_of=asked)
    assert list(row) == [("12345",)]
    assert row[("12345",)].event_timestamp < asked
    assert row[("12345",)].event_timestamp.utcoffset() == timedelta(0)


@pytest.mark.usefixtures("prepared")
def test_record_of_the_very_moment_is_known(definitions: FeatureSet) -> None:
    moment = latest_rows(definitions, [("7",)])[("7",)].event_timestamp
    assert ("7",) in latest_rows(definitions, [("7",)], as_of=moment)
    assert ("7",) not in latest_rows(definitions, [("7",)], as_of=moment - timedelta(microseconds=1))


@pytest.mark.usefixtures("prepared")
def test_unknown_ids_are_absent(definitions: FeatureSet) -> None:
    assert latest_rows(definitions, [("nobody",)]) == {}
    assert latest_rows(definitions, []) == {}


@pytest.mark.usefixtures("prepared")
def test_without_ids_every_transaction_is_read(definitions: FeatureSet) -> None:
    assert len(latest_rows(definitions)) == 9_997


@pytest.mark.usefixtures("prepared")
def test_values_are_pythons_own(definitions: FeatureSet) -> None:
    values = latest_rows(definitions, [("7",)])[("7",)].values
    assert {type(value) for value in values.values()} == {float, int, str}


@pytest.mark.usefixtures("prepared")
def test_naive_moment_is_refused(definitions: FeatureSet) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        latest_rows(definitions, [("7",)], as_of=datetime(2024, 12, 1))  # noqa: DTZ001


@pytest.mark.usefixtures("prepared")
def test_sample_is_reproducible_distinct_and_known(definitions: FeatureSet) -> None:
    ids = sample_view(definitions, 50)
    assert ids == sample_view(definitions, 50)
    assert ids != sample_view(definitions, 50, seed=1)
    assert set(latest_rows(definitions, ids)) == set(ids)
    assert len(ids) == 50


def test_sample_leaves_out_transactions_older_than_the_ttl(definitions: FeatureSet, now: datetime) -> None:
    assert definitions.ttl is not None
    moments = [
        now,
        now - definitions.ttl,
        now - definitions.ttl - timedelta(seconds=1),
        now - timedelta(days=99),
    ]
    table = pa.table({definitions.key_names[0]: ["a", "b", "c", "a"], definitions.timestamp_column: moments})
    pq.write_table(table, definitions.source_path)
    assert sorted(sample_view(definitions, 9)) == [("a",), ("b",)]
    assert sorted(sample_view(replace(definitions, ttl=None), 9)) == [("a",), ("b",), ("c",)]


def test_sample_leaves_out_records_of_the_future_and_those_up_to_a_moment(definitions: FeatureSet) -> None:
    now = datetime.now(timezone.utc)
    ages = [timedelta(hours=1), timedelta(hours=9), timedelta(days=-400)]
    moments = [now - age for age in ages]
    table = pa.table({definitions.key_names[0]: ["a", "b", "late"], definitions.timestamp_column: moments})
    pq.write_table(table, definitions.source_path)
    assert sorted(sample_view(definitions, 9)) == [("a",), ("b",)]
    assert sample_view(definitions, 9, after=now - timedelta(hours=9)) == [("a",)]
    assert count_waiting(definitions, now) == 1


def test_fingerprint_changes_with_the_content_only(
    prepared: PreparedDataset, prepare: Callable[..., PreparedDataset], now: datetime
) -> None:
    first = dataset_fingerprint(prepared.path)
    assert prepare(refresh=True).path == prepared.path
    assert dataset_fingerprint(prepared.path) == first
    prepare(now=now + timedelta(days=1), refresh=True)
    assert dataset_fingerprint(prepared.path) != first


def test_data_that_was_never_prepared_is_an_error_with_the_command(
    definitions: FeatureSet, tmp_path: Path
) -> None:
    for read in (
        lambda: sample_view(definitions, 1),
        lambda: latest_rows(definitions, [("1",)]),
        lambda: dataset_fingerprint(tmp_path / "x.parquet"),
    ):
        with pytest.raises(DatasetNotPrepared, match=r"python scripts/feast_setup\.py"):
            read()


def test_broken_data_is_an_error(definitions: FeatureSet) -> None:
    definitions.source_path.write_bytes(b"PAR1")
    with pytest.raises(DatasetUnreadable):
        latest_rows(definitions, [("1",)])


@pytest.mark.usefixtures("prepared")
def test_feature_that_was_declared_since_is_named(declare: Callable[..., FeatureSet]) -> None:
    with pytest.raises(ColumnsMissing, match="new_feature"):
        latest_rows(declare("new_feature", Float64), [("1",)])
