"""Overrides follow the definitions: type, bounds and names."""

from dataclasses import replace

import pytest
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp
from pydantic import ValidationError

from poc.definitions import Feature, ServedFeatures
from poc.serving.request_models import example_overrides, overrides_model


def declared(
    definitions: ServedFeatures, dtype: FeastType, name: str = "new_feature", **tags: str
) -> ServedFeatures:
    [view] = definitions.views
    return replace(definitions, views=(replace(view, features=(Feature(name, dtype, "", tags),)),))


@pytest.mark.parametrize(
    ("dtype", "accepted", "refused"),
    [
        (Int32, [-(2**31), 2**31 - 1], [2**31, -(2**31) - 1, 1.5, True, "1"]),
        (Int64, [-(2**63), 2**63 - 1], [2**63, 1.5, True]),
        (Float32, [0, 1.5, 3.4e38], [3.5e38, float("nan"), True, "1.5"]),
        (Float64, [-1e308, 7], [float("inf"), 10**400, True]),
        (Bool, [True, False], [0, 1, "true", None]),
        (String, ["", "anything"], ["x" * 1001, 1, None]),
    ],
    ids=str,
)
def test_override_has_exactly_the_declared_type(
    served_definitions: ServedFeatures, dtype: FeastType, accepted: list[object], refused: list[object]
) -> None:
    model = overrides_model(declared(served_definitions, dtype))
    for value in accepted:
        assert model(**{"new_feature": value}).values() == {"new_feature": value}
    for value in refused:
        with pytest.raises(ValidationError):
            model(**{"new_feature": value})


@pytest.mark.parametrize("dtype", [Bytes, UnixTimestamp, Array(Float64)], ids=str)
def test_type_that_json_lacks_cannot_be_overridden(
    served_definitions: ServedFeatures, dtype: FeastType
) -> None:
    model = overrides_model(declared(served_definitions, dtype))
    with pytest.raises(ValidationError, match="Extra inputs"):
        model(**{"new_feature": 1})


def test_bounds_are_inclusive(served_definitions: ServedFeatures) -> None:
    model = overrides_model(declared(served_definitions, Int64, min="2", max="3"))
    assert model(**{"new_feature": 2}).values() == {"new_feature": 2}
    assert model(**{"new_feature": 3}).values() == {"new_feature": 3}
    for value in (1, 4):
        with pytest.raises(ValidationError):
            model(**{"new_feature": value})


@pytest.mark.parametrize("name", ["json", "copy", "model_config", "values", "_hidden", "with space", "class"])
def test_feature_may_have_any_name(served_definitions: ServedFeatures, name: str) -> None:
    model = overrides_model(declared(served_definitions, Int64, name=name))
    assert model(**{name: 3}).values() == {name: 3}


def test_example_is_accepted(served_definitions: ServedFeatures) -> None:
    example = example_overrides(served_definitions)
    assert overrides_model(served_definitions)(**example).values() == example
    assert example


def test_definitions_without_bounds_have_an_empty_example(served_definitions: ServedFeatures) -> None:
    assert example_overrides(declared(served_definitions, Float64)) == {}


def test_bounds_of_whole_numbers_are_documented(served_definitions: ServedFeatures) -> None:
    documented = overrides_model(served_definitions).model_json_schema()["properties"]["transaction_hour"]
    assert (documented["type"], documented["minimum"], documented["maximum"]) == ("integer", 0, 23)
