"""Times of a person's that are not called as they are looked for: no made-up ones take their place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from poc.dataset.parquet import Provenance, Records, has_made_up_times, read_parquet, write_parquet
from poc.dataset.prepare import PreparedDataset
from poc.dataset.timestamps import require_times_named
from poc.definitions import FeatureSet
from poc.errors import ColumnsMissing, TimesMisnamed
from poc.quality.validation import tell_made_up, tell_prepared

Prepare = Callable[..., PreparedDataset]
MOMENT = "2026-11-01T10:30:00Z"

OWN: list[tuple[str, Any]] = [
    ("Timestamp", MOMENT),
    ("TIMESTAMP", "soon"),
    ("time stamp", "17"),
    ("event_timestamp", MOMENT),
    ("time", "2026-11-01 10:30:00.250"),
    ("datetime", "2026-11-01 10:30"),
    ("date", "2026-11-01"),
    ("Transaction Time", "2026-11-01 10:30:05 +01:00"),
    ("bought", MOMENT),
    ("bought", "20261101T103005Z"),
    ("bought", "11/01/2026 10:30 AM"),
    ("bought", "1/11/26"),
    ("bought", "01.11.2026 10:30"),
    ("bought", "2026/11/01"),
    ("bought", "1 Nov 2026 10:30"),
    ("bought", "01-Nov-26"),
    ("bought", "November 1, 2026"),
    ("bought", "Sun, 01 Nov 2026 10:30:00 GMT"),
    ("bought", "Sun Nov  1 10:30:00 UTC 2026"),
    ("time", "10:30:05"),
    ("date", "20261101"),
    ("paid_at", "1793529000"),
    ("unix_time", "1793529000000"),
    ("epoch", "1793529000.5"),
    ("Transaction DT", "46327.4375"),
]
OTHERS: list[tuple[str, Any]] = [
    ("postcode", "01067"),
    ("phone", "1793529000"),
    ("customer", "20261101"),
    ("card", "4000000000000000"),
    ("order", "2026-11-01-0007"),
    ("version", "1.2.26"),
    ("address", "10.0.0.1"),
    ("length", "10:30"),
    ("seconds_since_last_time", "42"),
    ("Time", "406.0"),
    ("note", "paid on 2026-11-01"),
    ("date", ""),
    ("date", " "),
]


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("name", "value"), OWN)
def test_own_times_of_a_csv_are_not_passed_over(
    prepare: Prepare, csv_path: Path, public_records: pd.DataFrame, name: str, value: str
) -> None:
    public_records.assign(**{name: value}).to_csv(csv_path, index=False)
    before = state(csv_path.parent)
    with pytest.raises(TimesMisnamed) as raised:
        prepare()
    assert raised.value.about["problems"] == (
        f"no column is called timestamp, and {name} ({value}) would be passed over",
    )
    assert f"Rename {name} to timestamp if that is what it says, else take it out" in raised.value.way_out
    assert state(csv_path.parent) == before


def test_renamed_or_taken_out_they_are_taken_as_the_way_out_says(
    definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
) -> None:
    named = public_records.assign(Timestamp=MOMENT)
    for written, moments in ((named.rename(columns={"Timestamp": "timestamp"}), 1), (public_records, 200)):
        named.to_csv(csv_path, index=False)
        with pytest.raises(TimesMisnamed):
            prepare()
        written.to_csv(csv_path, index=False)
        assert has_made_up_times(prepare().path) is (moments > 1)
        assert (len(pd.read_parquet(definitions.source_path)["timestamp"].unique()) > 1) == (moments > 1)


def test_times_beside_some_that_are_missing_or_wrong_are_times(
    prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
) -> None:
    bought = pd.Series([None, "unknown", *["2026-11-01"] * 198])
    public_records.assign(bought=bought, born="1980-01-01").to_csv(csv_path, index=False)
    with pytest.raises(TimesMisnamed) as raised:
        prepare()
    assert "bought (unknown), born (1980-01-01)" in raised.value.what
    assert "Rename bought or born to timestamp" in raised.value.way_out


@pytest.mark.parametrize(("name", "value"), OTHERS)
def test_what_is_no_time_is_a_further_column(
    prepare: Prepare, csv_path: Path, public_records: pd.DataFrame, name: str, value: str
) -> None:
    public_records.assign(**{name: value}).to_csv(csv_path, index=False)
    assert has_made_up_times(prepare().path)


def test_dates_beside_own_times_are_a_further_column(
    prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
) -> None:
    public_records.assign(timestamp=MOMENT, born="1980-01-01").to_csv(csv_path, index=False)
    assert not has_made_up_times(prepare().path)


def test_time_of_writing_that_is_spelled_otherwise_is_not_passed_over_where_one_is_declared(
    definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
) -> None:
    named = public_records.assign(timestamp=MOMENT, **{"Created Timestamp": MOMENT})
    named.to_csv(csv_path, index=False)
    with pytest.raises(TimesMisnamed, match="Rename Created Timestamp to created_timestamp"):
        prepare()
    prepare(definitions=replace(definitions, created_timestamp_column=None))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bought", pa.array([datetime(2026, 11, 1, tzinfo=timezone.utc)] * 200)),
        ("bought", pa.array([date(2026, 11, 1)] * 200)),
        ("bought", pa.array([MOMENT] * 200, pa.large_string())),
        ("bought", pa.array([MOMENT] * 200).dictionary_encode()),
        ("Time", pa.array([37_805] * 200, pa.time32("s"))),
        ("Time", pa.array([1_793_529_000] * 200)),
        ("Time", pa.array([1_793_529_000.5] * 200)),
        ("Time", pa.array([Decimal("1793529000.5")] * 200)),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_times_of_every_kind_are_not_passed_over(
    definitions: FeatureSet, public_records: pd.DataFrame, name: str, values: pa.Array
) -> None:
    table = pa.Table.from_pandas(public_records, preserve_index=False).append_column(name, values)
    provenance = Provenance("parquet", None, 1, own_timestamps=False)
    with pytest.raises(TimesMisnamed, match=f"Rename {name} to timestamp"):
        require_times_named(Records(definitions.source_path, table, provenance, str), definitions)


def test_own_times_of_a_raw_parquet_are_not_passed_over(
    definitions: FeatureSet, prepare: Prepare, public_records: pd.DataFrame
) -> None:
    public_records.assign(Timestamp=MOMENT).to_parquet(definitions.source_path)
    before = definitions.source_path.read_bytes()
    with pytest.raises((TimesMisnamed, ColumnsMissing), match=r"no column (is called )?timestamp"):
        prepare()
    assert definitions.source_path.read_bytes() == before


@pytest.mark.parametrize("there", [True, False])
def test_made_up_times_that_stand_already_beside_own_ones_are_refused(
    definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame, there: bool
) -> None:
    public_records.to_csv(csv_path, index=False)
    prepare()
    stored = read_parquet(definitions.source_path)
    assert stored is not None
    assert not stored.owned
    with_own = stored.table.append_column("Timestamp", pa.array([MOMENT] * 200))
    write_parquet(definitions.source_path, with_own, stored.provenance)
    if there:
        public_records.assign(Timestamp=MOMENT).to_csv(csv_path, index=False)
    else:
        csv_path.unlink()
    named = f"{csv_path} is refused" if there else f"the file that {definitions.source_path} was made from"
    with pytest.raises(TimesMisnamed) as raised:
        prepare()
    assert named in str(raised.value)


def test_that_times_are_made_up_is_told_each_time(
    prepare: Prepare, csv_path: Path, public_records: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    public_records.to_csv(csv_path, index=False)
    line = f"  Its times are made up, moments of the last weeks: {csv_path} has none\n"
    tell_prepared(prepare())
    assert capsys.readouterr().err == line
    tell_made_up(prepare())
    assert capsys.readouterr().err == line


def test_generated_records_and_own_times_tell_of_none(
    prepare: Prepare, csv_path: Path, public_records: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_made_up(prepare())
    public_records.assign(timestamp=MOMENT).to_csv(csv_path, index=False)
    tell_made_up(prepare())
    assert capsys.readouterr().err == ""
