from collections.abc import Sequence
from datetime import datetime, timezone

import pytest

from poc.errors import ValuesDiffer
from poc.measurement.comparison import agreed_keys, differences, require_agreement
from poc.measurement.core import Key, Method, Row

NAN = float("nan")


def said(*pairs: tuple[Row | None, Row | None]) -> list[str]:
    keys = [(f"id{number}",) for number in range(len(pairs))]
    answers = {"direct": [pair[0] for pair in pairs], "feast": [pair[1] for pair in pairs]}
    return [line for _, line in differences(keys, answers)]


def test_equal_rows_in_another_order_of_columns_agree() -> None:
    assert said(({"amount": 1.5, "hour": 0}, {"hour": 0, "amount": 1.5})) == []


def test_difference_names_key_column_and_both_values() -> None:
    pair = ({"amount": 500.0, "hour": 14}, {"amount": 500.0, "hour": 15})
    assert said(({"hour": 1}, {"hour": 1}), pair) == ["id1 hour: 14 by direct, 15 by feast"]


def test_every_difference_is_listed() -> None:
    pair = ({"amount": 1.0, "hour": 1}, {"amount": 2.0, "hour": 2})
    assert len(said(pair, pair)) == 4


@pytest.mark.parametrize(
    ("one", "other"), [(0, None), (0, False), (1, 1.0), ("1", 1), (0.1 + 0.2, 0.3), ("", None)]
)
def test_values_that_only_look_alike_differ(one: object, other: object) -> None:
    assert len(said(({"known": 1, "x": one}, {"known": 1, "x": other}))) == 1


def test_not_a_number_is_null() -> None:
    assert said(({"known": 1, "x": NAN}, {"known": 1, "x": None})) == []


def test_naive_timestamps_are_utc() -> None:
    naive = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001
    assert said(({"x": naive}, {"x": naive.replace(tzinfo=timezone.utc)})) == []


def test_time_differs_only_where_the_stores_keep_it() -> None:
    seconds = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert said(({"x": seconds.replace(microsecond=7000)}, {"x": seconds})) == []
    assert len(said(({"x": seconds}, {"x": seconds.replace(second=6)}))) == 1


def test_missing_column_differs_from_a_value_and_not_from_null() -> None:
    assert said(({"a": 1, "b": 2}, {"a": 1})) == ["id0 b: 2 by direct, None by feast"]
    assert said(({"a": 1, "b": None}, {"a": 1})) == []


def test_transaction_that_only_one_way_knows_is_a_difference() -> None:
    assert said(({"a": 1}, None), (None, {"a": 1})) == [
        "id0: known by direct, unknown by feast",
        "id1: unknown by direct, known by feast",
    ]


def test_transaction_that_only_has_nulls_is_unknown() -> None:
    assert said((None, {"a": None}), ({"a": NAN}, None), (None, None)) == []


def test_third_way_is_held_to_the_first_one_too() -> None:
    answers: dict[str, Sequence[Row | None]] = {"a": [{"x": 1}], "b": [{"x": 1}], "c": [{"x": 2}]}
    assert [line for _, line in differences([("id",)], answers)] == ["id x: 1 by a, 2 by c"]


def test_answer_with_too_few_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="b gave 1 rows"):
        differences([("1",), ("2",)], {"a": [None, None], "b": [None]})


def test_error_counts_transactions_and_shows_the_first_twenty_differences() -> None:
    keys = [(str(number),) for number in range(30)]
    with pytest.raises(ValuesDiffer) as caught:
        require_agreement(keys, {"a": [{"x": 1}] * 30, "b": [{"x": 1}] * 5 + [{"x": 2}] * 25})
    assert "25 of 30 transactions" in caught.value.what
    assert caught.value.what.count("by a,") == 20
    assert "and 5 more" in caught.value.what
    assert caught.value.exit_status == 1


def table(name: str, rows: dict[Key, Row], asked: list[int]) -> Method:
    def read(keys: Sequence[Key]) -> list[Row | None]:
        asked.append(len(keys))
        return [rows.get(key) for key in keys]

    return Method(name, name, read)


def test_keys_that_no_way_knows_are_left_out_and_every_other_is_read() -> None:
    asked: list[int] = []
    rows: dict[Key, Row] = {(number, "a"): {"x": number} for number in range(7)}
    methods = [table("a", rows, asked), table("b", rows, asked)]
    assert agreed_keys(methods, [*rows, (7, "a")], chunk=3) == list(rows)
    assert asked == [3, 3, 3, 3, 2, 2]


def test_differences_of_all_chunks_are_named() -> None:
    rows: dict[Key, Row] = {(number, "a"): {"x": number} for number in range(6)}
    wrong = rows | {(0, "a"): {"x": 9}, (5, "a"): {"x": 9}}
    with pytest.raises(ValuesDiffer, match="2 of 6") as caught:
        agreed_keys([table("a", rows, []), table("b", wrong, [])], list(rows), chunk=2)
    assert "0/a x: 0 by a, 9 by b" in caught.value.what
    assert "5/a x: 5 by a, 9 by b" in caught.value.what
