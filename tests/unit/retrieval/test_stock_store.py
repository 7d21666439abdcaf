from datetime import datetime, timezone

import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st

from poc.errors import FeaturesOutdated
from poc.retrieval.stock_store import stock_key, stock_rows

NOON = datetime(2026, 1, 31, 12)  # noqa: DTZ001
FIELDS = (("amount", "double_val"), ("hour", "int64_val"))


def row(name: str, value: Value, moment: datetime | None = NOON) -> tuple[str, bytes, datetime | None]:
    return name, value.SerializeToString(), moment


@given(transaction_id=st.text(), join_key=st.text(min_size=1), version=st.integers(1, 2))
def test_key_is_the_one_that_feast_writes(transaction_id: str, join_key: str, version: int) -> None:
    key = EntityKey(join_keys=[join_key], entity_values=[Value(string_val=transaction_id)])
    written = serialize_entity_key(key, entity_key_serialization_version=version).hex()
    assert stock_key(join_key, version)(transaction_id) == written


def test_features_come_in_declared_order_whatever_the_rows_have() -> None:
    rows = [row("hour", Value(int64_val=0)), row("amount", Value(double_val=1.5))]
    moment, values = stock_rows(FIELDS)("1", rows)
    assert list(values.items()) == [("amount", 1.5), ("hour", 0)]
    assert moment == NOON.replace(tzinfo=timezone.utc)


def test_feature_without_a_row_is_none() -> None:
    _, values = stock_rows(FIELDS)("1", [row("hour", Value(int64_val=7))])
    assert values == {"amount": None, "hour": 7}


def test_features_that_are_not_asked_for_are_left_out() -> None:
    rows = [row("amount", Value(double_val=1.0)), row("other", Value(string_val="x"))]
    assert stock_rows(FIELDS)("1", rows)[1] == {"amount": 1.0, "hour": None}


@pytest.mark.parametrize("rows", [[], [row("other", Value(string_val="x"))]], ids=["no row", "others only"])
def test_nothing_that_is_asked_for_is_absent(rows: list) -> None:
    assert stock_rows(FIELDS)("1", rows) is None


def test_row_without_an_event_time_is_outdated() -> None:
    with pytest.raises(FeaturesOutdated, match="without an event timestamp"):
        stock_rows(FIELDS)("1", [row("hour", Value(int64_val=7), None)])
