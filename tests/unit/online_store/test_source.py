from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poc.online_store.errors import MissingColumns, SourceChanged
from poc.online_store.source import Columns, ParquetSource, open_dataset, readable

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
EXTREMES = (datetime.min, datetime.max)  # noqa: DTZ901
COLUMNS = Columns(("id",), ("a",), "at", None)


def table(
    ids: list[str], a: list[int], at: list[datetime], unit: str = "us", tz: str | None = "UTC"
) -> pa.Table:
    return pa.table(
        {"id": ids, "a": a, "at": pa.array(at, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, tz))}
    )


def read(
    path: Path,
    start: datetime = NOON - timedelta(days=9),
    end: datetime = NOON + timedelta(days=9),
    rows: int = 2,
) -> list[dict[str, object]]:
    source = ParquetSource(str(path), open_dataset(str(path)), COLUMNS, start, end)
    batches = list(source.batches(rows))
    assert all(0 < batch.num_rows <= rows for batch in batches)
    found = [row for batch in batches for row in batch.to_pylist()]
    assert len(found) == source.num_rows
    return found


def hours(*numbers: float) -> list[datetime]:
    return [NOON + timedelta(hours=number) for number in numbers]


def test_one_row_an_entity_the_latest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(
        table(["x", "y", "x", "z", "x"], [1, 2, 3, 4, 5], hours(0, 1, 4, 3, 2)), path, row_group_size=2
    )
    assert {row["id"]: row["a"] for row in read(path)} == {"x": 3, "y": 2, "z": 4}


def test_one_of_so_many_rows_is_read_from_all_over_the_source(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table([f"{number}" for number in range(10)], list(range(10)), hours(*range(10))), path)
    source = ParquetSource(str(path), open_dataset(str(path)), COLUMNS, *hours(1, 10))
    assert [row["a"] for batch in source.batches(2, every=4) for row in batch.to_pylist()] == [1, 5, 9]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "UTC", "Asia/Tokyo"])
def test_start_is_included_and_end_excluded_in_every_unit_and_zone(
    tmp_path: Path, unit: str, tz: str | None
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a", "b", "c"], [1, 2, 3], hours(0, 1, 2), unit, tz), path)
    assert [row["id"] for row in read(path, *hours(0, 2))] == ["a", "b"]


def test_bound_between_two_ticks_of_the_columns_unit_is_not_rounded_down(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a", "b"], [1, 2], hours(0, 1), "s"), path)
    little = timedelta(microseconds=1)
    assert [row["id"] for row in read(path, NOON + little, NOON + timedelta(hours=1) + little)] == ["b"]


def test_bounds_beyond_what_nanoseconds_can_count_mean_everything(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a"], [1], hours(0), "ns"), path)
    first, last = (moment.replace(tzinfo=timezone.utc) for moment in EXTREMES)
    assert len(read(path, first, last)) == 1


def test_row_without_event_time_is_in_no_window(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a", "b"], [1, 2], [NOON, None]), path)
    assert [row["id"] for row in read(path)] == ["a"]


def test_partitioned_folder_is_read_with_its_partition_columns(tmp_path: Path) -> None:
    data = table(["a", "b", "a"], [1, 2, 3], hours(0, 0, 1)).append_column(
        "day", pa.array(["d1", "d1", "d2"])
    )
    pq.write_to_dataset(data, tmp_path / "parts", partition_cols=["day"])
    columns = Columns(("id",), ("a", "day"), "at", None)
    source = ParquetSource("parts", open_dataset(str(tmp_path / "parts")), columns, *hours(-1, 9))
    rows = {row["id"]: (row["a"], row["day"]) for batch in source.batches(10) for row in batch.to_pylist()}
    assert rows == {"a": (3, "d2"), "b": (2, "d1")}


def test_file_without_a_column_that_others_have_reads_as_nulls(tmp_path: Path) -> None:
    pq.write_table(table(["a"], [1], hours(0)).drop_columns(["a"]), tmp_path / "1.parquet")
    pq.write_table(table(["b"], [2], hours(0)), tmp_path / "2.parquet")
    assert {row["id"]: row["a"] for row in read(tmp_path)} == {"a": None, "b": 2}


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a"], [1], hours(0)).rename_columns(["id", "A", "at"]), path)
    with pytest.raises(MissingColumns, match=r"x\.parquet has no column a \(it has: id, A, at\)"):
        read(path)


def test_file_that_grows_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a"], [1], hours(0)), path)
    source = ParquetSource("x", open_dataset(str(path)), COLUMNS, *hours(-1, 9))
    pq.write_table(table(["a", "b"], [1, 2], hours(0, 0)), path)
    # Arrow may notice on its own that the file is not the one it opened.
    with pytest.raises((SourceChanged, OSError, pa.ArrowInvalid)):
        list(source.batches(10))


def test_only_local_parquet_with_real_times_is_read_here(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": ["a"], "at": ["2024-05-06"]}), path)
    assert not readable(str(path), "at")
    assert not readable("s3://bucket/x.parquet", "at")
    assert not readable(str(tmp_path / "none.parquet"), "at")
    (tmp_path / "text.parquet").write_text("at\n2024-05-06")
    assert not readable(str(tmp_path / "text.parquet"), "at")
    pq.write_table(table(["a"], [1], hours(0)), path)
    assert readable(str(path), "at")


def test_rows_come_in_batches_of_at_most_so_many_and_never_of_none(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    ids = [f"{number}" for number in range(10)] + ["9"] * 30
    pq.write_table(table(ids, list(range(40)), hours(*range(40))), path)
    found = read(path, rows=4)
    assert [row["a"] for row in found] == [*range(9), 39]


def test_source_that_lost_superseded_rows_while_it_was_read_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(["a", "a"], [1, 2], hours(1, 0)), path)
    source = ParquetSource("the source", open_dataset(str(path)), COLUMNS, *hours(-1, 9))
    [first, *_] = open_dataset(str(path)).to_batches()
    monkeypatch.setattr(source, "_scan", lambda *_, **__: iter([first.slice(0, 1)]))
    with pytest.raises(SourceChanged, match="the source changed while it was materialized"):
        list(source.batches(10))
