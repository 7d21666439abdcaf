import numpy as np
import pandas as pd

from poc.model.pipeline import ModelInputs, input_columns, typical_values

INPUTS = ModelInputs(("abroad", "hour", "price"), {"shop": ("Books", "Toys")})


def rows(**changed: list[object]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "price": [1.0, 2.0, 300.0, 4.0],
        "hour": [23, 0, 11, 12],
        "abroad": [True, False, False, False],
        "shop": ["Toys", "Books", "Toys", None],
    }
    return input_columns(INPUTS, pd.DataFrame(columns | changed))


def test_typical_is_the_middle_number_and_the_most_frequent_string() -> None:
    assert typical_values(INPUTS, rows()) == {"abroad": 0.0, "hour": 11.0, "price": 2.0, "shop": "Toys"}


def test_values_come_in_the_models_order() -> None:
    assert tuple(typical_values(INPUTS, rows())) == INPUTS.names


def test_nulls_are_passed_over_where_they_are_few() -> None:
    assert typical_values(INPUTS, rows(price=[np.nan, 7.0, 8.0, 9.0]))["price"] == 8.0


def test_input_that_is_mostly_null_is_typically_null() -> None:
    found = typical_values(INPUTS, rows(price=[np.nan, np.nan, np.nan, 9.0], shop=[None, None, "Toys", None]))
    assert (found["price"], found["shop"]) == (None, None)
