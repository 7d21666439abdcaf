import json
from datetime import datetime, timezone

import pytest

from poc.monitoring.consistency import Consistency, StoreCheck
from poc.monitoring.consistency_report import consistency_document, describe_rest, describe_store
from poc.monitoring.skew import Skew

FROM = datetime(2026, 10, 25, tzinfo=timezone.utc)
UNTIL = datetime(2026, 11, 24, tzinfo=timezone.utc)


@pytest.fixture
def check() -> StoreCheck:
    return StoreCheck("Direct table", FROM, UNTIL, compared=10_000, others=0)


def test_store_without_skew_says_so(check: StoreCheck) -> None:
    assert describe_store(check) == (
        "Direct table: 10,000 transactions as of 2026-11-24T00:00:00 UTC, every value equal"
    )
    assert describe_rest(check) == []


def test_store_with_skew_says_how_many_differ(check: StoreCheck) -> None:
    check.differing, check.missing = 3, 1
    assert describe_store(check) == (
        "Direct table: 3 of 10,000 transactions as of 2026-11-24T00:00:00 UTC differ,"
        " 1 of them missing online"
    )


def test_what_was_not_compared_is_said(check: StoreCheck) -> None:
    check.expired, check.others = 5, 2
    assert [line.split(" transactions")[0] for line in describe_rest(check)] == ["5", "2"]
    check.others = None
    assert "cannot be counted" in describe_rest(check)[1]


def test_document_is_json_whatever_the_values_are(check: StoreCheck) -> None:
    check.differing = 2
    check.shown = [Skew("7", "at", UNTIL, FROM), Skew("8", "raw", b"\x01", [b"\x02"])]
    document = json.loads(json.dumps(consistency_document(Consistency("payments", False, (check,)))))
    assert document["holds"] is False
    [store] = document["stores"]
    assert store["covered_until"] == "2026-11-24T00:00:00+00:00"
    assert store["differences"][0]["online"] == "2026-11-24T00:00:00+00:00"
    assert store["differences"][1]["online"] == "b'\\x01'"
