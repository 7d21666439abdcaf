import pytest
from hypothesis import given
from hypothesis import strategies as st

from poc.online_store.naming import MAX_TABLE_NAME, column_name, generation_table, quoted, table_name

names = st.text(min_size=1, max_size=60)
# The pairs that a simple join would mix up.
near_names = st.text(alphabet="ab_", min_size=1, max_size=6)


def test_guide_table_is_named_readably() -> None:
    assert table_name("ml_platform_poc", "transaction_features") == "ml_platform_poc__transaction_features"


def test_each_generation_has_a_table_and_the_first_the_plain_name() -> None:
    assert generation_table("project", "view", 0) == table_name("project", "view")
    assert generation_table("project", "view", 12) == "project__view__g12"


@pytest.mark.parametrize(
    ("project", "view", "use", "name"),
    [
        ("a" * 24, "b" * 22, "", "a" * 24 + "__" + "b" * 22),
        ("a" * 24, "b" * 23, "", "a" * 24 + "_bbbbbbbbbb_4491ffb741c2"),
        ("_p_", "v" * 40, "g3", "p_" + "v" * 33 + "_9a154b5cf9cf"),
        ("pro-ject", "view", "g12", "pro_ject_view_d5a705974284"),
        ("é", "ü", "", "55341cb0969e"),
        # Cut at what joins the two, and with an X at either end.
        ("a" * 33 + "X", "b" * 20, "", "a" * 33 + "X_e39ef16ce944"),
        ("X-ray", "viewX", "g1", "X_ray_viewX_bc31b8ba6855"),
    ],
)
def test_table_has_the_name_that_it_has_had(project: str, view: str, use: str, name: str) -> None:
    """Under another one, nobody would find what is stored."""
    assert table_name(project, view, use) == name


def test_table_name_differs_from_the_stock_stores() -> None:
    assert table_name("project", "view") != "project_view"


@given(names, names)
def test_every_table_name_is_one_that_cassandra_accepts(project: str, view: str) -> None:
    name = table_name(project, view)
    assert 0 < len(name) <= MAX_TABLE_NAME
    assert name.isascii()
    assert name.replace("_", "a").isalnum()


@given(st.tuples(near_names, near_names), st.tuples(near_names, near_names))
def test_two_views_never_share_a_table(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (table_name(*one) == table_name(*other)) == (one == other)


@given(names, names)
def test_two_fields_never_share_a_column(one: str, other: str) -> None:
    assert (column_name(one) == column_name(other)) == (one == other)


@pytest.mark.parametrize("field", ["event_timestamp", "created_timestamp", "event_timestamp_"])
def test_field_named_like_the_rows_own_columns_gets_another_column(field: str) -> None:
    assert column_name(field) == field + "_"


def test_quotes_inside_an_identifier_are_doubled() -> None:
    assert quoted('a"b') == '"a""b"'
