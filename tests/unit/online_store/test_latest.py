from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poc.online_store.latest import LatestRows, rank

START = datetime(2024, 1, 1)  # noqa: DTZ001
moments = st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours))
Rows = list[tuple[str, int, datetime, datetime | None]]
row_lists = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 1), moments, st.none() | moments), max_size=30
)


def latest(rows: Rows, batch: int, keys: list[str]) -> list[int]:
    found = LatestRows(keys, ["at", "created"])
    names = ["k1", "k2", "at", "created"]
    types = [pa.string(), pa.int64(), pa.timestamp("us"), pa.timestamp("us")]
    for start in range(0, len(rows), batch):
        columns = zip(*rows[start : start + batch], strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
        found.add(pa.record_batch(arrays, names))
    assert found.seen == len(rows)
    return found.positions().tolist()


def expected(rows: Rows, keys: int) -> list[int]:
    """Sort as the rule says (a missing created time first), keep the last of each key."""
    never = datetime.min  # noqa: DTZ901
    order = sorted(range(len(rows)), key=lambda i: (rows[i][2], rows[i][3] or never, i))
    return sorted({rows[position][:keys]: position for position in order}.values())


@settings(deadline=None)
@given(row_lists, st.integers(1, 7))
def test_latest_row_of_each_key_is_found_whatever_the_batches(rows: Rows, batch: int) -> None:
    assert latest(rows, batch, ["k1", "k2"]) == expected(rows, 2)


@settings(deadline=None)
@given(row_lists.filter(bool))
def test_without_keys_all_rows_are_one_entitys(rows: Rows) -> None:
    assert latest(rows, 4, []) == expected(rows, 0)


def test_memory_grows_with_the_keys_not_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poc.online_store.latest._SLACK_ROWS", 10)
    found = LatestRows(["k"], ["at"])
    for number in range(100):
        at = [START + timedelta(minutes=number)] * 5
        found.add(pa.record_batch([pa.array(["a", "b", "c", "a", "b"]), pa.array(at)], ["k", "at"]))
        assert sum(table.num_rows for table in found._held) <= 3 * 2 + 10
    assert found.positions().tolist() == [497, 498, 499]


def test_keys_held_as_dictionaries_are_compared_by_value() -> None:
    found = LatestRows(["k"], ["at"])
    for names in (["b", "a"], ["a", "c"]):
        keys = pa.array(names).dictionary_encode()
        found.add(pa.record_batch([keys, pa.array([START, START])], ["k", "at"]))
    assert found.positions().tolist() == [0, 2, 3]


def test_rows_without_a_key_all_stay_to_be_refused_later() -> None:
    found = LatestRows(["k"], ["at"])
    found.add(pa.record_batch([pa.array(["a", None, None]), pa.array([START] * 3)], ["k", "at"]))
    assert found.positions().tolist() == [0, 1, 2]


def test_row_without_a_created_time_comes_before_any_other_of_its_event_time() -> None:
    later = START + timedelta(hours=1)
    assert latest([("a", 0, START, later), ("a", 0, START, None)], 1, ["k1"]) == [0]
    assert latest([("a", 0, START, later), ("a", 0, later, None)], 1, ["k1"]) == [1]


@settings(deadline=None)
@given(row_lists)
def test_rank_orders_rows_as_arrow_does(rows: Rows) -> None:
    def rank_of(position: int) -> tuple[object, ...]:
        _, _, event, created = rows[position]
        hours = [None if at is None else (at - START) // timedelta(hours=1) for at in (event, created)]
        assert hours[0] is not None
        return (*rank(hours[0], hours[1]), position)

    order = sorted(range(len(rows)), key=rank_of)
    assert sorted({rows[position][:2]: position for position in order}.values()) == latest(
        rows, 4, ["k1", "k2"]
    )


def test_positions_of_no_rows_are_none_and_can_be_taken_for_indices() -> None:
    found = LatestRows(["k"], ["at"])
    found.add(pa.record_batch([pa.array([], pa.string()), pa.array([], pa.timestamp("us"))], ["k", "at"]))
    assert (len(found.positions()), found.positions().dtype) == (0, np.dtype(np.int64))


def test_row_created_at_the_epoch_comes_before_one_created_a_microsecond_later() -> None:
    assert rank(5, None) < rank(5, 0) < rank(5, 1) < rank(6, None)
