"""Files of one source whose columns differ in type are read as one, in either order."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.types import FeastType, Float64, Int64, String, UnixTimestamp

from poc.online_store.arrow_columns import python_values
from poc.online_store.errors import ValueOutOfRange, WrongValueType
from poc.online_store.source import Columns, ParquetSource, open_dataset, readable
from poc.online_store.types import column_type

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
AT_NOON = NOON.replace(tzinfo=None)
WEEK = timedelta(days=7)
COLUMNS = Columns(("id",), ("n",), "at", None)
MOMENT = pa.timestamp("us", "UTC")


def write(folder: Path, *columns: pa.Array) -> None:
    """Write a file a column: rows of their own, at noon."""
    for day, column in enumerate(columns):
        ids = [f"{day}{place}" for place in range(len(column))]
        table = pa.table({"id": ids, "n": column, "at": pa.array([NOON] * len(ids), MOMENT)})
        pq.write_table(table, folder / f"{day}.parquet")


def read(folder: Path, columns: Columns = COLUMNS) -> pa.Table:
    dataset = open_dataset(str(folder), columns.all())
    source = ParquetSource(str(folder), dataset, columns, NOON - WEEK, NOON + WEEK)
    return pa.Table.from_batches(list(source.batches(100))).sort_by("id")


def values(folder: Path, dtype: FeastType) -> list[Any]:
    column = read(folder).column("n").combine_chunks()
    return python_values(column, column_type("n", dtype), "n")


def of(kind: pa.DataType, *items: Any) -> pa.Array:
    return pa.array([*items, None], kind)


TEXT, INT64, FLOAT64 = pa.string(), pa.int64(), pa.float64()
PAIRS: list[tuple[FeastType, pa.Array, pa.Array, list[Any]]] = [
    (Int64, of(INT64, 3), of(FLOAT64, 4.0), [3, None, 4, None]),
    (Int64, of(pa.int32(), 3), of(INT64, 2**40), [3, None, 2**40, None]),
    (Int64, of(pa.uint8(), 3), of(pa.int8(), -4), [3, None, -4, None]),
    (Int64, of(INT64, 3), of(pa.uint64(), 4), [3, None, 4, None]),
    (Int64, of(INT64, 3), of(pa.decimal128(5, 1), Decimal("4.0")), [3, None, 4, None]),
    (Int64, of(INT64, 3), of(pa.null()), [3, None, None]),
    (Float64, of(pa.float32(), 1.5), of(FLOAT64, 0.1), [1.5, None, 0.1, None]),
    (Float64, of(pa.int32(), 3), of(pa.float32(), 0.5), [3.0, None, 0.5, None]),
    (String, of(TEXT, "a"), of(pa.large_string(), "b"), ["a", None, "b", None]),
    (String, of(TEXT, "a"), of(TEXT, "b").dictionary_encode(), ["a", None, "b", None]),
    (
        String,
        of(TEXT, "a").dictionary_encode(),
        of(pa.large_string(), "b").dictionary_encode(),
        ["a", None, "b", None],
    ),
    (UnixTimestamp, of(pa.timestamp("us"), AT_NOON), of(pa.timestamp("ns"), AT_NOON), [AT_NOON, None] * 2),
    (UnixTimestamp, of(pa.timestamp("ms"), AT_NOON), of(MOMENT, NOON), [AT_NOON, None] * 2),
    (
        UnixTimestamp,
        of(pa.timestamp("us", "Asia/Tokyo"), NOON),
        of(pa.timestamp("ns", "UTC"), NOON),
        [AT_NOON, None] * 2,
    ),
    (
        UnixTimestamp,
        of(INT64, 0),
        of(FLOAT64, NOON.timestamp()),
        [datetime(1970, 1, 1), None, AT_NOON, None],  # noqa: DTZ001
    ),
]
IDS = [f"{one.type}-{other.type}" for _, one, other, _ in PAIRS]


@pytest.mark.parametrize(("dtype", "one", "other", "expected"), PAIRS, ids=IDS)
@pytest.mark.parametrize("turned", [False, True], ids=["narrow first", "wide first"])
def test_column_is_read_with_the_type_that_holds_it_in_all_files(
    tmp_path: Path, dtype: FeastType, one: pa.Array, other: pa.Array, expected: list[Any], turned: bool
) -> None:
    write(tmp_path, *((other, one) if turned else (one, other)))
    assert values(tmp_path, dtype) == (expected[len(one) :] + expected[: len(one)] if turned else expected)


CONFLICTS = [
    (of(TEXT, "a"), of(INT64, 3)),
    (of(TEXT, "a"), of(pa.binary(), b"b")),
    (of(TEXT, "a"), of(pa.timestamp("us"), AT_NOON)),
    (of(pa.bool_(), True), of(INT64, 1)),
    (of(pa.list_(INT64), [1]), of(INT64, 1)),
]
CONFLICT_IDS = [f"{one.type}-{other.type}" for one, other in CONFLICTS]


@pytest.mark.parametrize(("one", "other"), CONFLICTS, ids=CONFLICT_IDS)
@pytest.mark.parametrize("turned", [False, True])
def test_types_that_nothing_holds_together_are_refused_with_column_files_and_types(
    tmp_path: Path, one: pa.Array, other: pa.Array, turned: bool
) -> None:
    first, second = (other, one) if turned else (one, other)
    # The third makes the first two of the column's files one type.
    write(tmp_path, pa.nulls(1), first, second)
    with pytest.raises(WrongValueType) as refused:
        read(tmp_path)
    places = [f"{tmp_path}/{number}.parquet" for number in (1, 2)]
    types = [pq.read_schema(place).field("n").type for place in places]
    said = f"Field 'n' is declared {types[0]} in {places[0]}, but the value is {types[1]} in {places[1]}"
    assert refused.value.what == said


@pytest.mark.parametrize(("one", "other"), CONFLICTS, ids=CONFLICT_IDS)
def test_column_that_is_not_read_stops_nothing(tmp_path: Path, one: pa.Array, other: pa.Array) -> None:
    write(tmp_path, one, other)
    assert readable(str(tmp_path), "at")
    assert read(tmp_path, Columns(("id",), (), "at", None)).column("id").to_pylist() == [
        "00",
        "01",
        "10",
        "11",
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_window_and_latest_row_are_found_over_times_of_different_units_and_zones(
    tmp_path: Path, turned: bool
) -> None:
    units = [pa.timestamp("ms"), pa.timestamp("ns", "Asia/Tokyo")]
    for day, unit in enumerate(reversed(units) if turned else units):
        hours = [NOON + timedelta(days=day, hours=hour) for hour in range(4)]
        moments = pa.array(hours, MOMENT).cast(unit)
        table = pa.table({"id": ["a", "b", "c", "d"], "n": [day] * 4, "at": moments})
        pq.write_table(table, tmp_path / f"{day}.parquet", row_group_size=1)
    source = ParquetSource(
        "x",
        open_dataset(str(tmp_path), COLUMNS.all()),
        COLUMNS,
        NOON + timedelta(hours=1),
        NOON + timedelta(days=1, hours=2),
    )
    rows = [row for batch in source.batches(2) for row in batch.to_pylist()]
    assert {row["id"]: row["n"] for row in rows} == {"a": 1, "b": 1, "c": 0, "d": 0}
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("large", "other", "said"),
    [
        (of(INT64, 2**53 + 1), of(FLOAT64, 1.5), "9007199254740993.*does not fit double"),
        (of(pa.uint64(), 2**63), of(INT64, -1), "9223372036854775808.*does not fit int64"),
        (
            of(pa.timestamp("us"), datetime(9999, 1, 1)),  # noqa: DTZ001
            of(pa.timestamp("ns"), AT_NOON),
            "out of bounds.*does not fit timestamp",
        ),
    ],
)
def test_value_that_the_common_type_does_not_hold_is_refused_with_column_and_file(
    tmp_path: Path, large: pa.Array, other: pa.Array, said: str
) -> None:
    write(tmp_path, other, large)
    with pytest.raises(ValueOutOfRange, match=said) as refused:
        read(tmp_path)
    assert "'n'" in refused.value.what
    assert f"{tmp_path}/1.parquet" in refused.value.what


def test_time_in_one_file_and_text_in_another_are_refused_as_such(tmp_path: Path) -> None:
    pq.write_table(pa.table({"at": ["2024-05-06"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"at": pa.array([NOON], MOMENT)}), tmp_path / "2.parquet")
    with pytest.raises(WrongValueType, match=r"'at' is declared string in .*, but the value is timestamp"):
        readable(str(tmp_path), "at")


def test_partition_column_beside_files_that_differ_is_read(tmp_path: Path) -> None:
    for day, column in enumerate([of(INT64, 3), of(FLOAT64, 4.0)]):
        (tmp_path / f"day={day}").mkdir()
        write(tmp_path / f"day={day}", column)
    dataset = open_dataset(str(tmp_path), ["n", "day"])
    found = dataset.to_table(columns=["n", "day"]).to_pydict()
    assert found == {"n": [3.0, None, 4.0, None], "day": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    "held",
    [of(INT64, 3), of(pa.int32(), 3), of(TEXT, "3"), of(FLOAT64, 3.5)],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("opened", ["", "n=2026", "n=2026/0.parquet"], ids=["folder", "part", "file"])
def test_column_that_a_file_holds_is_not_what_its_folder_is_called(
    tmp_path: Path, held: pa.Array, opened: str
) -> None:
    (tmp_path / "n=2026").mkdir()
    write(tmp_path / "n=2026", held)
    assert read(tmp_path / opened).column("n").to_pylist() == held.to_pylist()


def test_folders_beside_a_column_that_they_repeat_go_on_saying_the_others(tmp_path: Path) -> None:
    (tmp_path / "n=1/region=eu").mkdir(parents=True)
    write(tmp_path / "n=1/region=eu", of(pa.int32(), 3))
    found = open_dataset(str(tmp_path), ["n", "region"]).to_table(columns=["n", "region"])
    assert found.to_pydict() == {"n": [3, None], "region": ["eu", "eu"]}


ZONES = [("UTC", "UTC", "UTC"), ("Asia/Tokyo", "Asia/Tokyo", "Asia/Tokyo"), ("Asia/Tokyo", "UTC", "UTC")]


@pytest.mark.parametrize(
    ("one", "other", "common"), [*ZONES, (None, "Asia/Tokyo", "UTC"), (None, None, None)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_times_are_read_in_the_zone_that_all_files_have_and_else_in_utc(
    tmp_path: Path, one: str | None, other: str | None, common: str | None, turned: bool
) -> None:
    units = ("ns", "ms") if turned else ("ms", "ns")
    kinds = [pa.timestamp(unit, zone) for unit, zone in zip(units, (one, other), strict=True)]
    write(tmp_path, *(pa.array([NOON], MOMENT).cast(kind) for kind in kinds))
    assert open_dataset(str(tmp_path)).schema.field("n").type == pa.timestamp("ns", common)


@pytest.mark.parametrize(
    ("decimal", "common"),
    [
        (pa.decimal128(5, 1), pa.decimal128(20, 1)),
        (pa.decimal128(38, 20), pa.decimal128(38, 20)),
        (pa.decimal128(30, 2), pa.decimal128(30, 2)),
    ],
    ids=str,
)
def test_integers_beside_decimals_get_nineteen_digits_before_the_point_as_far_as_there_is_room(
    tmp_path: Path, decimal: pa.DataType, common: pa.DataType
) -> None:
    write(tmp_path, of(INT64, 3), of(decimal, Decimal("4.5")))
    assert open_dataset(str(tmp_path)).schema.field("n").type == common


def test_conflict_in_a_column_that_the_first_file_lacks_names_the_files_that_have_it(tmp_path: Path) -> None:
    write(tmp_path, of(INT64, 1), of(TEXT, "a"), of(INT64, 3))
    first = tmp_path / "0.parquet"
    pq.write_table(pq.read_table(first).drop_columns(["n"]), first)
    with pytest.raises(WrongValueType, match=rf"string in {tmp_path}/1\.parquet, .*{tmp_path}/2\.parquet"):
        read(tmp_path)


def test_value_that_does_not_fit_is_named_also_where_a_file_lacks_the_column(tmp_path: Path) -> None:
    write(tmp_path, of(INT64, 1), of(FLOAT64, 1.5), of(INT64, 2**53 + 1))
    first = tmp_path / "0.parquet"
    pq.write_table(pq.read_table(first).drop_columns(["n"]), first)
    with pytest.raises(ValueOutOfRange, match=rf"'n'.*9007199254740993.*{tmp_path}/2\.parquet"):
        read(tmp_path)
