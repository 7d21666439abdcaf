from datetime import datetime, timezone

import pytest

from poc.errors import FeaturesOutdated
from poc.retrieval.lookup import column_value, one_row

NOON = datetime(2026, 1, 31, 12)  # noqa: DTZ001
NOON_UTC = NOON.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("stored", [0, 0.0, "", False, b"", [], None, [1.5], ["a"], 2**63 - 1])
def test_value_is_itself(stored: object) -> None:
    assert (column_value(stored), type(column_value(stored))) == (stored, type(stored))


def test_not_a_number_is_none() -> None:
    assert column_value(float("nan")) is None


@pytest.mark.parametrize("stored", [NOON, NOON_UTC], ids=["as cassandra-driver", "as acsylla"])
def test_times_are_in_utc_whichever_driver_read_them(stored: datetime) -> None:
    assert column_value(stored) == NOON_UTC
    assert column_value([stored]) == [NOON_UTC]


def test_row_is_event_time_and_values_in_declared_order() -> None:
    moment, values = one_row(("b", "a"))("1", [(2.0, "x", NOON)])
    assert (moment, list(values.items())) == (NOON_UTC, [("b", 2.0), ("a", "x")])


def test_no_row_is_absent() -> None:
    assert one_row(("a",))("1", []) is None


def test_row_without_an_event_time_is_outdated() -> None:
    with pytest.raises(FeaturesOutdated, match="'1' is stored without an event timestamp"):
        one_row(("a",))("1", [(1, None)])
