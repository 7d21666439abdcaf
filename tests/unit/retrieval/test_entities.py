"""From what each view has of an entity to the entity: known or not, how old it is, and what it lacks."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from declared_views import served, view

from poc.retrieval.entities import NO_TIME, Entities, ViewRows, ViewValues, key_of_view, references

HOUR = timedelta(hours=1)
NOW = datetime.now(timezone.utc)
KEYS = [("a",), ("b",)]


def at(age: timedelta, **values: int) -> ViewValues:
    return dict(values), NOW - age


@pytest.mark.parametrize(("first", "second"), [(2, 3), (3, 2)])
def test_entity_has_the_values_of_all_views_and_the_time_of_the_oldest(first: int, second: int) -> None:
    entities = Entities(served(view("one", "x"), view("two", "y")))
    [found] = entities.of(KEYS[:1], [[at(first * HOUR, x=1)], [at(second * HOUR, y=2)]])
    assert found is not None
    assert (found.values, found.event_timestamp) == ({"x": 1, "y": 2}, NOW - 3 * HOUR)


@pytest.mark.parametrize(
    ("ages", "stale"),
    [((2, 4), False), ((4, 4), True), ((2, 6), True), ((4, 6), True)],
    ids=["none", "the first", "the second", "both"],
)
def test_entity_is_stale_once_the_values_of_any_view_are_by_its_own_ttl(
    ages: tuple[int, int], stale: bool
) -> None:
    entities = Entities(served(view("one", "x", ttl=3 * HOUR), view("two", "y", ttl=5 * HOUR)))
    [found] = entities.of(KEYS[:1], [[at(ages[0] * HOUR, x=1)], [at(ages[1] * HOUR, y=2)]])
    assert found is not None
    assert found.stale is stale


@pytest.mark.parametrize("age", [1, 3])
def test_entity_of_one_view_is_stale_by_its_ttl(age: int) -> None:
    [found] = Entities(served(view("one", "x", ttl=2 * HOUR))).of(KEYS[:1], [[at(age * HOUR, x=1)]])
    assert found is not None
    assert found.stale is (age > 2)


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_entity_is_unknown_where_any_view_has_no_row_of_it(lacking: int) -> None:
    entities = Entities(served(view("one", "x"), view("two", "y"), view("three", "z")))
    rows: list[list[ViewValues | None]] = [[at(HOUR, x=1)], [at(HOUR, y=2)], [at(HOUR, z=3)]]
    assert entities.of(KEYS[:1], rows) != [None]
    rows[lacking] = [None]
    assert entities.of(KEYS[:1], rows) == [None]


def test_each_key_gets_its_own_rows() -> None:
    entities = Entities(served(view("one", "x"), view("two", "y")))
    found = entities.of(KEYS, [[at(HOUR, x=1), at(HOUR, x=2)], [at(HOUR, y=3), at(HOUR, y=4)]])
    assert [(item.key, item.values) for item in found if item is not None] == [
        (("a",), {"x": 1, "y": 3}),
        (("b",), {"x": 2, "y": 4}),
    ]


def test_features_that_were_never_written_are_missing_in_the_services_order_and_a_null_is_not() -> None:
    entities = Entities(served(view("one", "x", "y"), view("two", "z", "null")))
    [found] = entities.of(KEYS[:1], [[at(HOUR, y=1)], [({"null": None}, NOW)]])
    assert found is not None
    assert found.missing == ("x", "z")
    [whole] = entities.of(KEYS[:1], [[at(HOUR, x=1, y=1)], [at(HOUR, z=1, null=1)]])
    assert whole is not None
    assert whole.missing == ()


@pytest.mark.parametrize(("rows", "more"), [(1, 1), (3, 3), (2, 1), (2, 3)])
def test_views_that_do_not_answer_for_each_entity_give_nobody_anothers_values(rows: int, more: int) -> None:
    entities = Entities(served(view("one", "x"), view("two", "y")))
    with pytest.raises(ValueError, match="zip"):
        entities.of(KEYS, [[at(HOUR, x=1)] * rows, [at(HOUR, y=2)] * more])


def test_key_of_a_view_has_the_order_of_what_reads_it_by_the_names_of_the_request() -> None:
    both = view("one", "x", keys=("card", "shop"), asked=("card", "store"))
    other = view("two", "y", keys=("shop",), asked=("store",))
    service = served(both, other)
    assert service.key_names == ("card", "store")
    assert key_of_view(service, both, ("shop", "card"))(("c", 7)) == (7, "c")
    assert key_of_view(service, both, ("card", "shop"))(("c", 7)) == ("c", 7)
    assert key_of_view(service, other, ("shop",))(("c", 7)) == (7,)


def test_view_without_entities_is_read_by_feasts_one_key() -> None:
    world = view("world", "x", keys=(), asked=())
    assert key_of_view(served(world, view("two", "y")), world, ())(("c",)) == ("",)


def test_features_are_asked_for_by_name_unless_only_the_service_says_what_they_are() -> None:
    plain = view("one", "x", "y")
    assert references(served(plain, view("two", "z"))) == ["one:x", "one:y", "two:z"]
    assert references(served(view("one", "x", keys=("id",), asked=("payment",)))) is None
    assert references(served(plain, view("one", "z"))) is None


def test_view_is_never_read_by_a_part_of_its_key() -> None:
    both = view("one", "x", keys=("card", "shop"))
    with pytest.raises(ValueError, match="zip"):
        key_of_view(served(both), replace(both, request_keys=("card",)), ("card",))


def rows_of(**stored: bool) -> ViewRows:
    """What reads the features `stored` of rows that may have a null in them, or nothing yet."""
    names = tuple(stored)
    reader: Any = SimpleNamespace(names=names, plain=(None,) * len(names), stored=tuple(stored.values()))
    return ViewRows(view("one", *names).features, reader)


def test_null_is_a_value_where_it_was_stored_and_nothing_where_it_may_never_have_been() -> None:
    assert rows_of(x=True, y=False, z=True).values((None, None, 3, NOW)) == ({"x": None, "z": 3}, NOW)


def test_row_without_an_event_time_is_as_old_as_can_be() -> None:
    assert rows_of(x=True).values((1, None)) == ({"x": 1}, NO_TIME)
    assert rows_of(x=True).values(None) is None
