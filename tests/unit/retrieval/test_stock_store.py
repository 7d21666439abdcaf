from cassandra.query import named_tuple_factory

from poc.retrieval.stock_store import rows_by_name

COLUMNS = ["feature_name", "value", "event_ts"]


def test_rows_have_the_names_and_values_of_the_drivers_own() -> None:
    rows = [("amount", b"1", None), ("hour", b"2", None)]
    ours, theirs = rows_by_name(COLUMNS, rows), named_tuple_factory(COLUMNS, rows)
    assert [row._asdict() for row in ours] == [row._asdict() for row in theirs]


def test_row_class_is_made_once() -> None:
    first, second = (rows_by_name(COLUMNS, [(1, 2, 3)])[0] for _ in range(2))
    assert type(first) is type(second)
