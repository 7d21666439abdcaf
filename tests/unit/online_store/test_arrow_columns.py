"""Conversions by column agree with Feast's own, by value, on every type."""

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.type_map import python_values_to_proto_values
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from poc.online_store.arrow_columns import event_times, milliseconds, python_values
from poc.online_store.errors import NullJoinKey, UnsupportedType, ValueOutOfRange, WrongValueType
from poc.online_store.stock_layout import entity_keys, value_bytes
from poc.online_store.types import MAX_SECONDS, MIN_SECONDS, column_type

times = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
Values = st.SearchStrategy[Any]
int32s = st.integers(-(2**31), 2**31 - 1)
# One NaN is as good as another: which bits it has is lost on either way.
floats = st.floats(allow_nan=False) | st.just(float("nan"))
float32s = st.floats(width=32, allow_nan=False) | st.just(float("nan"))
# With a null beside it pandas holds an integer as a float, and Feast then writes it rounded.
exact = st.integers(-(2**53), 2**53)
SCALARS: list[tuple[FeastType, pa.DataType, st.SearchStrategy[Any]]] = [
    (Bytes, pa.binary(), st.binary(max_size=8)),
    (Bytes, pa.large_binary(), st.binary(max_size=8)),
    (String, pa.string(), st.text(max_size=8)),
    (String, pa.large_string(), st.text(max_size=8)),
    (String, pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "", "é"])),
    (Int32, pa.int32(), int32s),
    (Int32, pa.int8(), st.integers(-128, 127)),
    (Int64, pa.int64(), exact),
    (Int64, pa.uint16(), st.integers(0, 65535)),
    (Float64, pa.float64(), floats),
    (Float64, pa.int64(), exact),
    (Float32, pa.float32(), float32s),
    (Float32, pa.float64(), st.floats(-1e30, 1e30)),
    (Bool, pa.bool_(), st.booleans()),
    (UnixTimestamp, pa.timestamp("us"), times),
    (UnixTimestamp, pa.timestamp("ms", "UTC"), times.map(lambda t: t.replace(microsecond=0))),
    (UnixTimestamp, pa.timestamp("ns", "Asia/Tokyo"), times),
    # Pairs that only Feast's own conversion knows.
    (String, pa.float64(), st.floats(-1e30, 1e30)),
    (Int64, pa.float64(), st.integers(-100, 100).map(float)),
    (Int64, pa.bool_(), st.booleans()),
]
LISTS: list[tuple[FeastType, pa.DataType, st.SearchStrategy[Any]]] = [
    (Array(Bytes), pa.binary(), st.binary(max_size=4)),
    (Array(String), pa.string(), st.text(max_size=4)),
    (Array(Int32), pa.int32(), int32s),
    (Array(Int64), pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (Array(Float64), pa.float64(), floats),
    (Array(Float32), pa.float32(), float32s),
    (Array(Bool), pa.bool_(), st.booleans()),
]
CASES = [(dtype, kind, st.none() | values) for dtype, kind, values in SCALARS]
# A null beside these makes Feast write '90210.0', no time at all, or refuse.
BESIDE_NO_NULL: list[tuple[FeastType, pa.DataType, st.SearchStrategy[Any]]] = [
    (String, pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (String, pa.dictionary(pa.int8(), pa.int64()), st.sampled_from([3, 90210])),
    (UnixTimestamp, pa.int64(), st.integers(-(2**33), 2**33)),
    (UnixTimestamp, pa.int32(), int32s),
    (UnixTimestamp, pa.string(), st.integers(0, 2**31).map(str)),
    (UnixTimestamp, pa.date32(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    (Bool, pa.int64(), st.integers(-2, 2)),
    (Array(UnixTimestamp), pa.list_(pa.int64()), st.lists(st.integers(0, 2**31), max_size=4)),
]
CASES += BESIDE_NO_NULL
CASES += [(dtype, pa.list_(kind), st.none() | st.lists(items, max_size=4)) for dtype, kind, items in LISTS]
CASES += [(dtype, pa.large_list(kind), st.lists(items, max_size=4)) for dtype, kind, items in LISTS]
CASES += [(Array(UnixTimestamp), pa.list_(pa.timestamp("us")), st.lists(times, max_size=4))]
IDS = [f"{dtype}-{kind}" for dtype, kind, _ in CASES]


def feast_forgets(column: list[Any], dtype: FeastType) -> bool:
    """Whether Feast takes a whole batch for nulls, because it holds nothing but empty bytes."""
    return dtype == Bytes and not any(column)


def feast_bytes(array: pa.Array, dtype: FeastType) -> list[bytes]:
    """What Feast's local engine writes: source to pandas, to Arrow, to numpy, to protobuf, to bytes."""
    from_pandas = pa.Table.from_pandas(pa.table({"x": array}).to_pandas()).to_batches()[0]
    values = from_pandas.column("x").to_numpy(zero_copy_only=False)
    return [
        value.SerializeToString() for value in python_values_to_proto_values(values, dtype.to_value_type())
    ]


@pytest.mark.parametrize(("dtype", "kind", "values"), CASES, ids=IDS)
def test_bytes_of_the_stock_layout_are_feasts_own(
    dtype: FeastType, kind: pa.DataType, values: Values
) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(values, min_size=1, max_size=8))
    def check(column: list[Any]) -> None:
        assume(not feast_forgets(column, dtype))
        array = pa.array(column, kind)
        assert value_bytes(array, column_type("x", dtype), "x") == feast_bytes(array, dtype)

    check()


@pytest.mark.parametrize(("dtype", "kind", "values"), CASES, ids=IDS)
def test_slice_of_a_column_converts_as_the_column_does(
    dtype: FeastType, kind: pa.DataType, values: Values
) -> None:
    column = column_type("x", dtype)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.none() | values, min_size=2, max_size=8))
    def check(items: list[Any]) -> None:
        array = pa.array(items, kind)
        assert value_bytes(array.slice(1), column, "x") == value_bytes(array, column, "x")[1:]

    check()


@pytest.mark.parametrize(("dtype", "kind", "values"), CASES, ids=IDS)
def test_values_of_the_row_layout_read_back_as_what_the_stock_layout_holds(
    dtype: FeastType, kind: pa.DataType, values: Values
) -> None:
    column = column_type("x", dtype)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(values, min_size=1, max_size=8))
    def check(items: list[Any]) -> None:
        assume(not feast_forgets(items, dtype))
        array = pa.array(items, kind)
        bound = python_values(array, column, "x")
        read = [b"" if value is None else column.decoder()(value).SerializeToString() for value in bound]
        missing_time = column_missing_time(dtype)
        assert read == [b"" if value == missing_time else value for value in feast_bytes(array, dtype)]

    check()


def column_missing_time(dtype: FeastType) -> bytes | None:
    """Feast's number for a missing time; the row layout keeps a null, which reads as the same None."""
    if dtype != UnixTimestamp:
        return None
    return value_bytes(pa.array([None], pa.timestamp("us")), column_type("x", dtype), "x")[0]


def test_large_integer_beside_a_null_stays_exact_where_feast_rounds_it() -> None:
    array = pa.array([2**53 + 1, None], pa.int64())
    assert python_values(array, column_type("x", Int64), "x") == [2**53 + 1, None]


def test_empty_bytes_stay_a_value_where_feast_takes_a_batch_of_them_for_nulls() -> None:
    assert python_values(pa.array([b"", b""]), column_type("x", Bytes), "x") == [b"", b""]


def test_nan_is_a_null_in_a_scalar_and_stays_in_a_list() -> None:
    nan = float("nan")
    assert python_values(pa.array([nan, 0.0]), column_type("x", Float64), "x") == [None, 0.0]
    [[kept]] = python_values(pa.array([[nan]]), column_type("x", Array(Float64)), "x")
    assert kept != kept


@pytest.mark.parametrize(("dtype", "kind", "values"), CASES, ids=IDS)
def test_null_beside_a_value_changes_nothing_of_it(
    dtype: FeastType, kind: pa.DataType, values: Values
) -> None:
    column = column_type("x", dtype)

    @settings(max_examples=20, deadline=None)
    @given(values.filter(lambda value: value is not None))
    def check(value: Any) -> None:
        [alone] = python_values(pa.array([value], kind), column, "x")
        beside = python_values(pa.array([None, value, None], kind), column, "x")
        assert repr(beside) == repr([None, alone, None])

    check()


NOON = 1_714_996_800
AT_NOON = datetime(2024, 5, 6, 12)  # noqa: DTZ001 - as the drivers bind it.


@pytest.mark.parametrize(
    "epochs",
    [
        pa.array([NOON, None]),
        pa.array([NOON, None], pa.uint32()),
        pa.array([float(NOON), None]),
        pa.array([float(NOON), float("nan")]),
        pa.array([Decimal(NOON), None]),
        pa.array([f"{NOON}", None]),
        pa.array([NOON, None]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_whole_epoch_is_those_seconds_and_a_null_beside_it_is_a_missing_time(epochs: pa.Array) -> None:
    assert python_values(epochs, column_type("at", UnixTimestamp), "at") == [AT_NOON, None]


def test_null_beside_an_epoch_is_stored_as_feasts_number_for_it() -> None:
    column = column_type("at", UnixTimestamp)
    missing = value_bytes(pa.array([None], pa.timestamp("us")), column, "at")
    for epochs in (pa.array([NOON, None]), pa.array([f"{NOON}", None])):
        assert value_bytes(epochs, column, "at")[1:] == missing


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.float16(), "1.5"),
        (pa.float32(), "1.5"),
        (pa.float64(), "1.5"),
        (pa.decimal32(5, 1), "1.5"),
        (pa.decimal128(5, 1), "1.5"),
        (pa.decimal256(5, 1), "1.5"),
    ],
)
@pytest.mark.parametrize("dtype", [Int32, Int64, UnixTimestamp])
def test_fraction_is_refused_by_its_value_and_never_cut(
    dtype: FeastType, kind: pa.DataType, text: str
) -> None:
    numbers = pa.array([3.0, None, float(text)]).cast(pa.float32()).cast(pa.float64())
    array = numbers.cast(kind) if pa.types.is_floating(kind) else decimals(numbers, kind)
    whole = python_values(array.slice(0, 2), column_type("n", dtype), "n")
    assert whole == ([datetime(1970, 1, 1, 0, 0, 3), None] if dtype == UnixTimestamp else [3, None])  # noqa: DTZ001
    said = f"'n' is declared {column_type('n', dtype).name}, but the value is {text}, and not a whole number"
    with pytest.raises(WrongValueType, match=said):
        python_values(array, column_type("n", dtype), "n")


def decimals(numbers: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.array([None if n is None else Decimal(str(n)) for n in numbers.to_pylist()], kind)


@pytest.mark.parametrize("kind", [pa.decimal128(18, 2), pa.decimal256(40, 9)])
@pytest.mark.parametrize("dtype", [Float32, Float64, Array(Float64)])
def test_decimal_declared_as_a_float_is_the_nearest_one(dtype: FeastType, kind: pa.DataType) -> None:
    numbers = [123456789.99, -0.07, 1e9 + 0.01]
    array = decimals(pa.array([*numbers, None]), kind)
    if isinstance(dtype, Array):
        lists = pa.array([[number] for number in array.to_pylist()[:-1]], pa.list_(kind))
        assert python_values(lists, column_type("n", dtype), "n") == [[number] for number in numbers]
        return
    nearest = pa.array([*numbers, None], pa.float32() if dtype == Float32 else pa.float64())
    assert python_values(array, column_type("n", dtype), "n") == nearest.to_pylist()


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int32(), pa.int64()])
def test_flags_kept_as_integers_of_any_width_are_true_or_false(kind: pa.DataType) -> None:
    assert python_values(pa.array([0, 1, None], kind), column_type("f", Bool), "f") == [False, True, None]


@pytest.mark.parametrize("number", [float("inf"), 1e30])
@pytest.mark.parametrize("dtype", [Int32, Int64, UnixTimestamp])
def test_number_beyond_all_integers_is_refused(dtype: FeastType, number: float) -> None:
    with pytest.raises(ValueOutOfRange, match=r"'n'.*does not fit the declared type"):
        python_values(pa.array([1.0, number]), column_type("n", dtype), "n")


@pytest.mark.parametrize("dtype", [Int32, Int64, UnixTimestamp])
def test_list_of_one_number_is_not_taken_for_it(dtype: FeastType) -> None:
    with pytest.raises(WrongValueType, match=r"'n' is declared .*, but the value is list<item: double>"):
        python_values(pa.array([[1.5]]), column_type("n", dtype), "n")


def test_text_of_an_integer_has_no_fraction_beside_a_null() -> None:
    codes = pa.array([90210, None, 501])
    for array in (codes, codes.dictionary_encode()):
        assert python_values(array, column_type("zip", String), "zip") == ["90210", None, "501"]


@pytest.mark.parametrize("before", [[], [[1, 2]]])
@pytest.mark.parametrize("dtype", [Array(Int64), Array(UnixTimestamp)])
def test_null_among_integers_is_refused_whatever_list_comes_first(
    dtype: FeastType, before: list[list[int]]
) -> None:
    with pytest.raises(WrongValueType, match="'x' is declared Array"):
        python_values(pa.array([*before, [3, None]]), column_type("x", dtype), "x")


def test_lists_that_feast_reads_from_json_are_each_read() -> None:
    written = pa.array([b"[1, 2]", None, b"[3]"])
    assert python_values(written, column_type("x", Array(Int64)), "x") == [[1, 2], None, [3]]


def test_integer_too_large_for_its_declared_type_is_refused() -> None:
    with pytest.raises(ValueOutOfRange, match=r"'x'.*2147483648"):
        python_values(pa.array([2**31], pa.int64()), column_type("x", Int32), "x")


@pytest.mark.parametrize("seconds", [MIN_SECONDS - 1, MAX_SECONDS + 1])
def test_time_that_cannot_be_read_again_is_refused_with_the_years_that_can(seconds: int) -> None:
    said = f"'at'.* {seconds}.*seconds since 1970 are outside the years 1 to 9999"
    with pytest.raises(ValueOutOfRange, match=said):
        python_values(pa.array([0, seconds], pa.int64()), column_type("at", UnixTimestamp), "at")


def test_first_and_last_time_that_can_be_read_are_written() -> None:
    seconds = pa.array([MIN_SECONDS, MAX_SECONDS], pa.int64())
    moments = python_values(seconds, column_type("at", UnixTimestamp), "at")
    assert [(moment.year, moment.month, moment.day) for moment in moments] == [(1, 1, 1), (9999, 12, 31)]


def test_null_inside_a_list_is_refused_as_by_feast() -> None:
    with pytest.raises(
        WrongValueType, match=r"'x' is declared Array.Int64., but the value is list<item: int64>"
    ):
        python_values(pa.array([[1, None]], pa.list_(pa.int64())), column_type("x", Array(Int64)), "x")


def test_event_times_are_read_from_text_too() -> None:
    assert milliseconds(event_times(pa.array(["2024-05-06T12:00:00+02:00"]))) == [
        datetime(2024, 5, 6, 10)  # noqa: DTZ001
    ]


def test_event_times_are_read_from_nanoseconds_beside_a_null_too() -> None:
    nanos = 1_714_996_800_000_999_999
    [[alone], [beside, none]] = (event_times(pa.array([nanos, *more])) for more in ([], [None]))
    assert beside == alone == np.datetime64(nanos // 1000, "us")
    assert np.isnat(none)


def test_times_before_1970_are_rounded_down_to_milliseconds() -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, 999_999, timezone.utc)
    assert milliseconds(event_times(pa.array([moment]))) == [moment.replace(microsecond=999_000, tzinfo=None)]


KEYS: dict[str, tuple[FeastType, pa.DataType, Values]] = {
    "s": (String, pa.string(), st.text(max_size=6)),
    "b": (Bytes, pa.binary(), st.binary(min_size=1, max_size=6)),
}
KEYS |= {"i": (Int32, pa.int32(), int32s), "l": (Int64, pa.int64(), st.integers(-(2**31), 2**31 - 1))}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("sbil"), min_size=1, max_size=4, unique=True),
    st.sampled_from([1, 2]),
    st.data(),
)
def test_entity_keys_are_feasts_own(names: list[str], version: int, data: st.DataObject) -> None:
    values = {name: data.draw(KEYS[name][2]) for name in names}
    columns = {
        name: (column_type(name, KEYS[name][0]), pa.array([value], KEYS[name][1]))
        for name, value in values.items()
    }
    protos = [
        python_values_to_proto_values([value], KEYS[name][0].to_value_type())[0]
        for name, value in values.items()
    ]
    expected = serialize_entity_key(EntityKey(join_keys=names, entity_values=protos), version).hex()
    assert entity_keys(columns, version) == [expected]


def test_entity_key_without_a_value_is_refused_with_the_number_of_rows() -> None:
    with pytest.raises(NullJoinKey, match="'id' is null in 2 of the rows"):
        entity_keys({"id": (column_type("id", String), pa.array([None, "a", None]))}, 2)


@pytest.mark.parametrize("same", [pa.array(["7"]), pa.array([7.0]), pa.array([7], pa.decimal128(5))])
def test_entity_key_of_another_arrow_type_is_that_of_its_number(same: pa.Array) -> None:
    whole = entity_keys({"id": (column_type("id", Int64), pa.array([7]))}, 2)
    assert entity_keys({"id": (column_type("id", Int64), same)}, 2) == whole


def test_entity_key_of_a_type_that_feasts_encoding_lacks_is_refused() -> None:
    said = "'id': Float64 cannot be a join key in Feast's own stores"
    with pytest.raises(UnsupportedType, match=said) as refused:
        entity_keys({"id": (column_type("id", Float64), pa.array([1.0]))}, 2)
    assert refused.value.way_out == (
        "Declare String, Bytes, Int32 or Int64 for it, or use the row store, which takes it."
    )


def test_entity_key_that_is_no_such_value_is_refused_with_its_join_key() -> None:
    with pytest.raises(WrongValueType, match="'id' is declared Int64"):
        entity_keys({"id": (column_type("id", Int64), pa.array(["seven"]))}, 2)


def test_key_that_the_older_serialization_has_no_room_for_says_which_has() -> None:
    columns = {
        "id": (column_type("id", Int64), pa.array([1, -(2**40), 3])),
        "place": (column_type("place", Int64), pa.array([1, 2**31, 3])),
    }
    said = f"'id'.* {-(2**40)} needs entity_key_serialization_version: 2"
    with pytest.raises(ValueOutOfRange, match=said):
        entity_keys(columns, 1)
