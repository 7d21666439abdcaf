import pytest
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bytes, FeastType, Int32, Int64, String, UnixTimestamp
from hypothesis import given
from hypothesis import strategies as st

from poc.online_store.errors import NullJoinKey, WrongValueType
from poc.online_store.keys import as_stored, bound_key, column_as_stored, join_keys, written_key
from poc.online_store.layout import Column
from poc.online_store.types import NULL_SECONDS, key_type


def column(name: str, dtype: FeastType) -> Column:
    return Column(name, name, key_type(name, dtype))


def entity_key(**values: Value) -> EntityKey:
    return EntityKey(join_keys=list(values), entity_values=list(values.values()))


@given(st.text(alphabet="\0a", max_size=4), st.text(alphabet="\0a", max_size=4))
def test_two_texts_never_share_a_row(one: str, other: str) -> None:
    assert as_stored(one) != ""
    assert (as_stored(one) == as_stored(other)) == (one == other)


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_two_blobs_never_share_a_row(one: bytes, other: bytes) -> None:
    assert as_stored(one) != b""
    assert (as_stored(one) == as_stored(other)) == (one == other)


@pytest.mark.parametrize(
    "value", ["T00000001", "\0a", "a\0", "X\0", "\0X", b"a", b"\0a", b"a\0", b"\0X", b"\1", 7]
)
def test_ordinary_key_is_kept_as_it_is(value: object) -> None:
    assert as_stored(value) == value


@pytest.mark.parametrize("value", ["", "\0", "\0\0", b"", b"\0", b"\0\0"])
def test_key_of_nothing_but_nuls_is_kept_with_one_more(value: str | bytes) -> None:
    assert as_stored(value) == value + ("\0" if isinstance(value, str) else b"\0")


def test_key_of_another_type_finds_nothing() -> None:
    assert join_keys([column("id", String)])(entity_key(id=Value(int64_val=1))) is None


def test_time_that_no_row_can_have_finds_nothing() -> None:
    key = entity_key(at=Value(unix_timestamp_val=2**60), id=Value(string_val="x"))
    assert join_keys([column("at", UnixTimestamp)])(entity_key(at=Value(unix_timestamp_val=2**60))) is None
    assert join_keys([column("at", UnixTimestamp), column("id", String)])(key) is None


def test_key_longer_than_cassandra_allows_finds_nothing() -> None:
    bound = bound_key([column("id", String)])
    assert bound(("x" * 65535,)) == ("x" * 65535,)
    assert bound(("x" * 65536,)) is None
    assert bound(("é" * 32768,)) is None


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_key_of_texts_is_bound_up_to_cassandras_last_byte(parts: int) -> None:
    bound = bound_key([column(f"part{number}", String) for number in range(parts)])
    # Of several parts each carries three bytes more.
    longest = 65535 - (3 * parts if parts > 1 else 0)
    rest = ("é" * 7,) * (parts - 1)
    first = "x" * (longest - 14 * (parts - 1))
    assert bound((first, *rest)) == (first, *rest)
    assert bound((first + "x", *rest)) is None


def test_number_beside_a_long_text_takes_its_eight_bytes() -> None:
    bound = bound_key([column("id", String), column("number", Int64)])
    longest = "x" * (65535 - 8 - 6)
    assert bound((longest, 1)) == (longest, 1)
    assert bound((longest + "x", 1)) is None


def test_blob_is_as_long_as_its_bytes() -> None:
    bound = bound_key([column("id", Bytes)])
    assert bound((b"x" * 65535,)) == (b"x" * 65535,)
    assert bound((b"x" * 65536,)) is None


def test_key_of_numbers_is_bound_as_it_is() -> None:
    assert bound_key([column("a", Int32), column("b", Int64)])((1, 2)) == (1, 2)
    assert bound_key([column("a", Int32)])((1,)) == (1,)


def test_one_empty_text_is_bound_as_it_is_kept() -> None:
    assert bound_key([column("id", String)])(("",)) == ("\0",)


def test_several_join_keys_are_bound_in_the_tables_order() -> None:
    columns = [column("a", Int32), column("b", Bytes), column("c", Int64)]
    key = entity_key(c=Value(int64_val=3), a=Value(int32_val=1), b=Value(bytes_val=b""))
    assert bound_key(columns)(join_keys(columns)(key)) == (1, b"\0", 3)
    assert written_key(columns, key) == (1, b"\0", 3)


def test_one_of_several_join_keys_of_another_type_finds_nothing() -> None:
    columns = [column("a", Int32), column("b", Int32)]
    assert join_keys(columns)(entity_key(a=Value(int32_val=1), b=Value(string_val="1"))) is None


def test_join_key_without_a_value_finds_nothing() -> None:
    columns = [column("a", UnixTimestamp), column("b", Int32)]
    nothing = Value(unix_timestamp_val=NULL_SECONDS)
    assert join_keys(columns)(entity_key(a=nothing, b=Value(int32_val=1))) is None
    assert join_keys(columns)(entity_key(b=Value(int32_val=1))) is None


def test_writing_without_a_join_key_is_refused() -> None:
    for key in (entity_key(id=Value()), entity_key(other=Value(string_val="x"))):
        with pytest.raises(NullJoinKey, match="'id' is null in 1 of the rows"):
            written_key([column("id", String)], key)


def test_writing_a_join_key_of_another_type_is_refused() -> None:
    with pytest.raises(WrongValueType, match="'id' is declared String"):
        written_key([column("id", String)], entity_key(id=Value(int64_val=1)))


def test_column_with_missing_keys_is_refused_with_their_number() -> None:
    with pytest.raises(NullJoinKey, match="'id' is null in 2 of the rows"):
        column_as_stored(["a", None, None], column("id", String))


@pytest.mark.parametrize(
    ("dtype", "values", "stored"),
    [(String, ["", "a"], ["\0", "a"]), (Bytes, [b"", b"a"], [b"\0", b"a"]), (Int64, [0, 1], [0, 1])],
)
def test_column_of_keys_is_kept_as_each_of_them_is(
    dtype: FeastType, values: list[object], stored: list[object]
) -> None:
    assert column_as_stored(values, column("id", dtype)) == stored


def test_key_is_as_long_as_all_of_its_parts() -> None:
    bound = bound_key([column("a", String), column("b", String)])
    assert bound(("short", "x" * 65536)) is None
    assert bound(("x" * 65536, "short")) is None


def test_characters_of_four_bytes_count_four() -> None:
    bound = bound_key([column("id", String)])
    longest = "\N{PILE OF POO}" * 16383
    assert bound((longest,)) == (longest,)
    assert bound((longest + "\N{PILE OF POO}",)) is None


def test_entity_key_with_more_names_than_values_is_nobodys() -> None:
    key = EntityKey(join_keys=["id", "more"], entity_values=[Value(string_val="x")])
    with pytest.raises(ValueError, match="zip"):
        join_keys([column("id", String)])(key)
    with pytest.raises(ValueError, match="zip"):
        written_key([column("id", String)], key)
