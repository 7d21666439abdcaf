"""Entity keys of the stock layout: Feast's own bytes, and what they cannot hold is refused by name."""

import pyarrow as pa
import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bytes, FeastType, Float64, Int32, Int64, String

from poc.online_store.errors import NullJoinKey, UnsupportedType, ValueOutOfRange
from poc.online_store.stock_layout import entity_key, entity_keys
from poc.online_store.types import ColumnType, key_type


def columns(**given: tuple[FeastType, list[object]]) -> dict[str, tuple[ColumnType, pa.Array]]:
    return {name: (key_type(name, dtype), pa.array(values)) for name, (dtype, values) in given.items()}


@pytest.mark.parametrize("version", [1, 2])
def test_keys_are_the_bytes_that_feast_makes(version: int) -> None:
    given = columns(b=(String, ["x", "\N{PILE OF POO}"]), a=(Int64, [7, -8]), c=(Bytes, [b"", b"\0"]))
    expected = [
        EntityKey(
            join_keys=["b", "a", "c"],
            entity_values=[Value(string_val=text), Value(int64_val=number), Value(bytes_val=content)],
        )
        for text, number, content in (("x", 7, b""), ("\N{PILE OF POO}", -8, b"\0"))
    ]
    assert entity_keys(given, version) == [serialize_entity_key(key, version).hex() for key in expected]


def test_key_is_made_of_values_in_the_order_of_the_sorted_names() -> None:
    make = entity_key({"b": key_type("b", String), "a": key_type("a", Int32)}, 2)
    key = EntityKey(join_keys=["b", "a"], entity_values=[Value(string_val="x"), Value(int32_val=7)])
    assert make((7, "x")) == serialize_entity_key(key, 2).hex()


@pytest.mark.parametrize("parts", [(7,), (7, "x", "more")])
def test_key_of_other_parts_than_the_views_is_nobodys(parts: tuple[object, ...]) -> None:
    make = entity_key({"b": key_type("b", String), "a": key_type("a", Int32)}, 2)
    with pytest.raises(ValueError, match="zip"):
        make(parts)


def test_join_key_that_feast_cannot_serialize_is_refused_with_what_would_do() -> None:
    with pytest.raises(UnsupportedType) as refused:
        entity_key({"id": key_type("id", String), "ratio": key_type("ratio", Float64)}, 2)
    assert refused.value.what == "Field 'ratio': Float64 cannot be a join key in Feast's own stores"
    assert refused.value.way_out.startswith("Declare String, Bytes, Int32 or Int64 for it, or use the row")


def test_null_among_the_keys_is_refused_with_their_number() -> None:
    with pytest.raises(NullJoinKey, match="'id' is null in 2 of the rows"):
        entity_keys(columns(id=(String, ["a", None, None])), 2)


def test_integer_that_the_first_version_has_no_room_for_is_named_with_its_column() -> None:
    given = columns(a=(Int64, [1, -(2**40)]), b=(Int64, [2, 3]), c=(String, ["x", "y"]))
    with pytest.raises(ValueOutOfRange, match=rf"'a': -{2**40} needs entity_key_serialization_version: 2"):
        entity_keys(given, 1)


def test_value_of_another_type_than_the_join_keys_is_named_with_its_column() -> None:
    with pytest.raises(ValueOutOfRange, match="'id'"):
        entity_keys(columns(id=(Int32, [2**40])), 2)
