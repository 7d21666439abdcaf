from collections.abc import Callable
from dataclasses import replace

import pytest
from feast import FeatureView
from feast.types import Array, Float64, Int64, Invalid, String

from poc.online_store.errors import KeyChanged, TypeChanged, UnsupportedType
from poc.online_store.layout import direct_layout, row_layout
from poc.online_store.schema import StoredTable, changes

ViewOf = Callable[..., FeatureView]


def test_key_of_several_columns_is_one_partition_key_and_the_comment_says_what_is_kept(
    view_of: ViewOf,
) -> None:
    view = view_of({"a": Int64}, {"b": String, "a_key": Int64})
    for layout in (row_layout("ks", "poc", view), direct_layout("ks", "poc", view)):
        created = layout.create()
        assert 'PRIMARY KEY (("a_key", "b"))' in created
        assert "comment = 'Feast feature view stats of project poc, one row an entity'" in created


def test_each_generation_of_a_view_is_laid_out_in_a_table_of_its_own(view_of: ViewOf) -> None:
    view = view_of({"a": Int64}, {"id": String})
    assert [row_layout("ks", "poc", view, number).table for number in (0, 1, 2)] == [
        "poc__stats",
        "poc__stats__g1",
        "poc__stats__g2",
    ]


def test_field_that_no_column_can_hold_is_refused_by_its_name(view_of: ViewOf) -> None:
    view = view_of({"a": Int64, "odd": Int64}, {"id": String})
    view.features[1].dtype = Invalid
    with pytest.raises(UnsupportedType, match="Field 'odd': Invalid has no column type"):
        row_layout("ks", "poc", view)


def test_create_statement_is_readable_and_quotes_every_name(view_of: ViewOf) -> None:
    layout = row_layout("ks", "poc", view_of({"Amount": Float64, "tags": Array(String)}, {"id": String}))
    assert replace(layout, comment="it's ours").create() == (
        'CREATE TABLE IF NOT EXISTS "ks"."poc__stats" ("id" text, "Amount" double,'
        ' "tags" frozen<list<text>>, "event_timestamp" timestamp, "created_timestamp" timestamp,'
        ' PRIMARY KEY (("id")))'
        " WITH comment = 'it''s ours' AND speculative_retry = '50ms'"
    )


def test_insert_states_write_time_and_ttl_only_where_there_is_one(view_of: ViewOf) -> None:
    layout = row_layout("ks", "poc", view_of({"a": Int64}, {"id": String}))
    insert = 'INSERT INTO "ks"."poc__stats" ("id", "a", "event_timestamp", "created_timestamp")'
    assert layout.insert(layout.features, ttl=False) == f"{insert} VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
    assert layout.insert(layout.features, ttl=True).endswith("USING TIMESTAMP ? AND TTL ?")


def test_select_reads_the_asked_features_and_leaves_out_unknown_ones(view_of: ViewOf) -> None:
    layout = row_layout("ks", "poc", view_of({"a": Int64, "b": Int64}, {"k2": String, "k1": Int64}))
    columns = layout.named(["b", "unknown"])
    assert layout.select(columns) == (
        'SELECT (bigint)"b", (timestamp)"event_timestamp" FROM "ks"."poc__stats" WHERE "k1" = ? AND "k2" = ?'
    )


def test_repeated_join_key_of_a_stream_view_is_no_second_column(view_of: ViewOf) -> None:
    view = view_of({"a": Int64}, {"id": String})
    view.features.append(view.entity_columns[0])
    assert [column.field for column in row_layout("ks", "poc", view).features] == ["a"]


@pytest.mark.parametrize(
    ("project", "table"),
    [("ml_platform_poc", '"ks"."stats"'), ("other", '"ks"."other__stats__direct"'), ("a-b", None)],
)
def test_direct_table_carries_its_project_unless_it_is_the_guides(
    view_of: ViewOf, project: str, table: str | None
) -> None:
    layout = direct_layout("ks", project, view_of({"a": Int64}, {"id": String}))
    assert layout.qualified == table or (table is None and layout.table.startswith("a_b_stats_"))
    assert layout.columns() == row_layout("ks", "poc", view_of({"a": Int64}, {"id": String})).columns()


def test_missing_table_is_created(view_of: ViewOf) -> None:
    layout = row_layout("ks", "poc", view_of({"a": Int64}, {"id": String}))
    assert changes(None, layout) == [layout.create()]


def test_new_features_are_added_in_one_statement_and_removed_ones_stay(view_of: ViewOf) -> None:
    before = row_layout("ks", "poc", view_of({"old": Int64}, {"id": String}))
    after = row_layout("ks", "poc", view_of({"new": Int64, "Neu": String}, {"id": String}))
    stored = StoredTable(before.columns(), frozenset(["id"]))
    assert changes(stored, after) == ['ALTER TABLE "ks"."poc__stats" ADD ("new" bigint, "Neu" text)']


def test_nothing_changes_for_a_table_that_is_as_declared(view_of: ViewOf) -> None:
    layout = row_layout("ks", "poc", view_of({"a": Int64}, {"id": String}))
    assert changes(StoredTable(layout.columns(), frozenset(["id"])), layout) == []


def test_changed_type_is_refused_with_both_types(view_of: ViewOf) -> None:
    stored = StoredTable(
        row_layout("ks", "poc", view_of({"a": Int64}, {"id": String})).columns(), frozenset(["id"])
    )
    with pytest.raises(TypeChanged) as refused:
        changes(stored, row_layout("ks", "poc", view_of({"a": Float64}, {"id": String})))
    said = '"ks"."poc__stats": column \'a\' is bigint, but is now declared as double'
    assert refused.value.what == said
    assert refused.value.way_out.endswith("scripts/feast_materialize.py --full --view stats")


def test_changed_join_keys_are_refused(view_of: ViewOf) -> None:
    stored = StoredTable(
        row_layout("ks", "poc", view_of({"a": Int64}, {"id": String})).columns(), frozenset(["id"])
    )
    two = row_layout("ks", "poc", view_of({"a": Int64}, {"id": String, "place": String}))
    with pytest.raises(KeyChanged) as refused:
        changes(stored, two)
    said = '"ks"."poc__stats": its key is (id), but the view\'s join keys are (id, place)'
    assert refused.value.what == said
    assert refused.value.way_out.endswith("scripts/feast_materialize.py --full --view stats")
    with pytest.raises(KeyChanged, match=r"key is \(id, place\), but the view's join keys are \(id\)"):
        changes(
            StoredTable(two.columns(), frozenset(["id", "place"])),
            row_layout("ks", "poc", view_of({"a": Int64}, {"id": String})),
        )


def test_features_named_like_the_rows_own_columns_have_columns_of_their_own(view_of: ViewOf) -> None:
    layout = row_layout(
        "ks", "poc", view_of({"event_timestamp": Int64, "created_timestamp": String}, {"id": String})
    )
    assert layout.columns() == {
        "id": "text",
        "event_timestamp_": "bigint",
        "created_timestamp_": "text",
        "event_timestamp": "timestamp",
        "created_timestamp": "timestamp",
    }
