import math
from typing import Any

import pandas as pd
import pytest

from poc.definitions import Feature, ServedFeatures
from poc.errors import InvalidDefinitions
from poc.model.pipeline import MOST_LEARNED_CATEGORIES, ModelInputs, input_columns, model_inputs


def rows(**columns: list[Any]) -> pd.DataFrame:
    whole: dict[str, list[Any]] = {
        "shop": ["Toys"], "browser": ["a"], "price": [1.0], "hour": [1], "abroad": [True]
    }  # fmt: skip
    length = max((len(values) for values in columns.values()), default=1)
    return pd.DataFrame({name: values * length for name, values in whole.items()} | columns)


def test_inputs_are_ordered_by_name(declared: ServedFeatures) -> None:
    assert model_inputs(declared.features, rows()).names == ("abroad", "browser", "hour", "price", "shop")


def test_declared_values_are_the_categories_whatever_the_data_has(declared: ServedFeatures) -> None:
    known = model_inputs(declared.features, rows(shop=["Toys", "Cars"])).categories["shop"]
    assert known == ("Toys", "Books")


def test_categories_without_declared_values_are_learned(declared: ServedFeatures) -> None:
    learned = model_inputs(declared.features, rows(browser=["b", "a", None, "", "b"])).categories["browser"]
    assert learned == ("a", "b")


def test_rare_values_are_not_learned(declared: ServedFeatures) -> None:
    frequent = [f"often {number}" for number in range(MOST_LEARNED_CATEGORIES)]
    browsers = rows(browser=[*frequent, *frequent, "once"])
    assert model_inputs(declared.features, browsers).categories["browser"] == tuple(sorted(frequent))


def test_feature_of_another_type_is_refused_by_name(declared: ServedFeatures) -> None:
    from feast.types import Array, Int64

    listed = (*declared.features, Feature("items", Array(Int64), "", {}))
    with pytest.raises(InvalidDefinitions, match="items"):
        model_inputs(listed, rows())


def test_null_number_becomes_nan_and_null_string_an_empty_one() -> None:
    inputs = ModelInputs(("price",), {"shop": ("Toys",)})
    frame = pd.DataFrame({"shop": ["Toys", None], "price": pd.array([2, None], dtype="Int64")})
    columns = input_columns(inputs, frame)
    assert columns["shop"].tolist() == ["Toys", ""]
    assert columns["price"].tolist()[0] == 2.0
    assert math.isnan(columns["price"].tolist()[1])


def test_booleans_become_numbers() -> None:
    columns = input_columns(ModelInputs(("abroad",), {}), pd.DataFrame({"abroad": [True, False, None]}))
    assert columns["abroad"].tolist()[:2] == [1.0, 0.0]


def test_columns_are_in_the_order_of_the_inputs() -> None:
    frame = pd.DataFrame({"b": ["x"], "c": [1], "a": [2], "is_fraud": [1]})
    assert list(input_columns(ModelInputs(("a", "c"), {"b": ("x",)}), frame).columns) == ["a", "b", "c"]
