"""Every Feast type comes back as it was written, generated values on a real Cassandra."""

from typing import Any

import pytest
from feast.protos.feast.types import Value_pb2 as protos
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
# As far as a datetime reaches; beyond, a write is refused.
seconds = st.integers(-62135596800, 253402300799)
texts = st.text(max_size=20)
blobs = st.binary(max_size=20)
floats = st.floats(width=32)


def scalars(attribute: str, content: st.SearchStrategy[Any]) -> st.SearchStrategy[Value]:
    return st.none().map(lambda _: Value()) | content.map(lambda value: Value(**{attribute: value}))


def lists(attribute: str, message: Any, items: st.SearchStrategy[Any]) -> st.SearchStrategy[Value]:
    filled = st.lists(items, max_size=5).map(lambda values: Value(**{attribute: message(val=values)}))
    return st.none().map(lambda _: Value()) | filled


TYPES: dict[str, tuple[FeastType, st.SearchStrategy[Value]]] = {
    "bytes": (Bytes, scalars("bytes_val", blobs)),
    "string": (String, scalars("string_val", texts)),
    "int32": (Int32, scalars("int32_val", int32s)),
    "int64": (Int64, scalars("int64_val", int64s)),
    "float64": (Float64, scalars("double_val", st.floats())),
    "float32": (Float32, scalars("float_val", floats)),
    "bool": (Bool, scalars("bool_val", st.booleans())),
    "time": (UnixTimestamp, scalars("unix_timestamp_val", seconds)),
    "bytes_list": (Array(Bytes), lists("bytes_list_val", protos.BytesList, blobs)),
    "string_list": (Array(String), lists("string_list_val", protos.StringList, texts)),
    "int32_list": (Array(Int32), lists("int32_list_val", protos.Int32List, int32s)),
    "int64_list": (Array(Int64), lists("int64_list_val", protos.Int64List, int64s)),
    "float64_list": (Array(Float64), lists("double_list_val", protos.DoubleList, st.floats())),
    "float32_list": (Array(Float32), lists("float_list_val", protos.FloatList, floats)),
    "bool_list": (Array(Bool), lists("bool_list_val", protos.BoolList, st.booleans())),
    "time_list": (Array(UnixTimestamp), lists("unix_timestamp_list_val", protos.Int64List, seconds)),
}
KEYS: dict[str, tuple[FeastType, st.SearchStrategy[Value]]] = {
    "key_text": (String, texts.map(lambda text: Value(string_val=text))),
    "key_bytes": (Bytes, blobs.map(lambda blob: Value(bytes_val=blob))),
    "key_int32": (Int32, int32s.map(lambda number: Value(int32_val=number))),
    "key_int64": (Int64, int64s.map(lambda number: Value(int64_val=number))),
    "key_bool": (Bool, st.booleans().map(lambda flag: Value(bool_val=flag))),
    "key_time": (UnixTimestamp, seconds.map(lambda number: Value(unix_timestamp_val=number))),
}


def test_values_of_every_type_come_back_as_they_were_written(stores: Any, rows_of: Any) -> None:
    store = stores.open()
    types = {name: dtype for name, (dtype, _) in TYPES.items()}
    rows = rows_of(store, stores.view(store, types, {"id": Int64}))
    numbers = iter(range(10**9))

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.fixed_dictionaries({name: values for name, (_, values) in TYPES.items()}))
    def check(values: dict[str, Value]) -> None:
        key = rows.key(id=Value(int64_val=next(numbers)))
        rows.write(key, values)
        [(_, read)] = rows.read(key)
        # Compared as bytes, because a NaN does not equal itself.
        assert {name: value.SerializeToString() for name, value in read.items()} == {
            name: value.SerializeToString() for name, value in values.items()
        }

    check()


@pytest.mark.parametrize("names", [[name] for name in KEYS] + [list(KEYS)], ids=lambda names: "+".join(names))
def test_join_keys_of_every_type_find_their_own_row_only(stores: Any, rows_of: Any, names: list[str]) -> None:
    store = stores.open()
    view = stores.view(store, {"a": Int64}, {name: KEYS[name][0] for name in names})
    rows = rows_of(store, view)

    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(
            st.fixed_dictionaries({name: KEYS[name][1] for name in names}),
            min_size=1,
            max_size=4,
            unique_by=lambda key: tuple(value.SerializeToString() for value in key.values()),
        ),
        int64s,
    )
    def check(keys: list[dict[str, Value]], first: int) -> None:
        values = [Value(int64_val=(first + number) % 2**62) for number in range(len(keys))]
        for key, value in zip(keys, values, strict=True):
            rows.write(rows.key(**key), {"a": value}, next(moments))
        read = rows.read(*(rows.key(**key) for key in keys))
        assert [row["a"] for _, row in read] == values

    moments = rising_moments()
    check()


def rising_moments() -> Any:
    """Give ever later event times, so that each example overwrites those before."""
    from datetime import datetime, timedelta, timezone

    moment = datetime(2024, 1, 1, tzinfo=timezone.utc)
    while True:
        moment += timedelta(seconds=1)
        yield moment
