import json
from datetime import datetime, timezone

import pytest

from poc.dataset.values import Difference
from poc.materialization.stored_rows import NEVER_WRITTEN
from poc.quality.consistency import StoreCheck, ViewCheck, consistency_document, describe_view

FROM = datetime(2026, 10, 25, tzinfo=timezone.utc)
UNTIL = datetime(2026, 11, 24, tzinfo=timezone.utc)


@pytest.fixture
def check() -> StoreCheck:
    return StoreCheck("Direct table", FROM, UNTIL, compared=10_000, others=0)


def described(check: StoreCheck, alone: bool = True) -> tuple[str, list[str]]:
    [(same, line, rest)] = describe_view(ViewCheck("payments", False, (check,)), alone)
    assert same is check
    return line, rest


def test_store_without_skew_says_so(check: StoreCheck) -> None:
    equal = "Direct table: 10,000 transactions as of 2026-11-24T00:00:00 UTC, every value equal"
    assert described(check) == (equal, [])


def test_store_with_skew_says_how_many_differ(check: StoreCheck) -> None:
    check.differing, check.missing = 3, 1
    assert described(check)[0] == (
        "Direct table: 3 of 10,000 transactions as of 2026-11-24T00:00:00 UTC differ,"
        " 1 of them missing online"
    )


def test_one_of_several_views_is_named(check: StoreCheck) -> None:
    check.others = 2
    line, [rest] = described(check, alone=False)
    assert line.startswith("payments, Direct table: 10,000 entities as of")
    assert rest == "2 entities online have no row in the materialized interval"


def test_what_was_not_compared_is_said(check: StoreCheck) -> None:
    check.expired, check.others = 5, 2
    assert [line.split(" transactions")[0] for line in described(check)[1]] == ["5", "2"]
    check.others = None
    assert "cannot be counted" in described(check)[1][1]


def test_document_is_json_whatever_the_values_are(check: StoreCheck) -> None:
    check.differing = 2
    check.differences = [
        Difference({"payment_id": "7"}, "at", UNTIL, FROM),
        Difference({"shop": b"\x01", "card": 8}, "raw", NEVER_WRITTEN, [b"\x02"]),
    ]
    views = (
        ViewCheck("payments", False, (check,)),
        ViewCheck("cards", False, (StoreCheck("Direct table", FROM, UNTIL),)),
    )
    document = json.loads(json.dumps(consistency_document(views)))
    assert document["holds"] is False
    payments, cards = document["views"]
    assert (payments["holds"], cards["holds"]) == (False, True)
    [store] = payments["stores"]
    assert store["covered_until"] == "2026-11-24T00:00:00+00:00"
    first, second = store["differences"]
    assert (first["key"], first["online"]) == ({"payment_id": "7"}, "2026-11-24T00:00:00+00:00")
    assert second["key"] == {"shop": "b'\\x01'", "card": 8}
    assert (second["online"], second["offline"]) == ("never written", "[b'\\x02']")
