import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import onnx
import pytest

from poc.errors import ModelUnusable
from poc.model.pipeline import fraud_probabilities, input_columns
from poc.model.scoring import Scorer, open_scorer

ROW: dict[str, Any] = {"price": 120.5, "hour": 3, "abroad": True, "shop": "Toys", "browser": "a"}


def expected(trained: Any, row: dict[str, Any]) -> float:
    """What scikit-learn says."""
    import pandas as pd

    columns = input_columns(trained.inputs, pd.DataFrame([row], dtype=object))
    return float(fraud_probabilities(trained.pipeline, columns)[0])


def test_scores_as_scikit_learn_does(trained: Any, scorer: Scorer) -> None:
    assert scorer.score([ROW]) == [pytest.approx(expected(trained, ROW), abs=1e-6)]


def test_batch_scores_equal_single_scores_in_order(trained: Any, scorer: Scorer) -> None:
    rows = [ROW | {"price": float(price)} for price in range(0, 500, 7)]
    assert scorer.score(rows) == [scorer.score([row])[0] for row in rows]


def test_order_of_names_in_a_row_does_not_matter(scorer: Scorer) -> None:
    assert scorer.score([dict(reversed(ROW.items()))]) == scorer.score([ROW])


def test_other_names_are_ignored(scorer: Scorer) -> None:
    assert scorer.score([ROW | {"colour": "red"}]) == scorer.score([ROW])


def test_no_rows_have_no_scores(scorer: Scorer) -> None:
    assert scorer.score([]) == []


@pytest.mark.parametrize("name", ["price", "hour", "abroad", "shop", "browser"])
def test_null_is_scored_as_scikit_learn_scores_a_missing_value(
    trained: Any, scorer: Scorer, name: str
) -> None:
    row = ROW | {name: None}
    assert scorer.score([row]) == [pytest.approx(expected(trained, row), abs=1e-6)]


def test_null_that_training_had_is_no_zero(scorer: Scorer) -> None:
    assert scorer.score([ROW | {"hour": None}])[0] > scorer.score([ROW | {"hour": 0}])[0]


def test_null_string_and_unknown_string_are_the_same(scorer: Scorer) -> None:
    null, unknown = scorer.score([ROW | {"shop": None}, ROW | {"shop": "Cars"}])
    assert null == unknown


def test_integers_and_booleans_are_numbers(scorer: Scorer) -> None:
    assert scorer.score([ROW | {"hour": 3.0, "abroad": 1}]) == scorer.score([ROW])


@pytest.mark.parametrize("value", ["120.5", b"120", [120.5], 10**400])
def test_number_that_is_none_is_refused_by_name(scorer: Scorer, value: Any) -> None:
    with pytest.raises(TypeError, match="price"):
        scorer.score([ROW, ROW | {"price": value}])


@pytest.mark.parametrize("value", [1, True, b"Toys"])
def test_string_that_is_none_is_refused_by_name(scorer: Scorer, value: Any) -> None:
    with pytest.raises(TypeError, match="shop"):
        scorer.score([ROW, ROW | {"shop": value}])


def test_missing_input_is_refused(scorer: Scorer) -> None:
    with pytest.raises(KeyError, match="hour"):
        scorer.score([{name: value for name, value in ROW.items() if name != "hour"}])


def test_many_threads_get_the_scores_of_their_own_rows(scorer: Scorer) -> None:
    batches = [[ROW | {"price": float(price + place)} for place in range(5)] for price in range(0, 400, 5)]
    alone = [scorer.score(batch) for batch in batches]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(scorer.score, batches)) == alone


def test_scorer_tells_what_it_is(trained: Any, scorer: Scorer) -> None:
    assert (scorer.name, scorer.version, scorer.threshold) == ("fraud", "7", 0.25)
    assert scorer.inputs == ("abroad", "browser", "hour", "price", "shop")
    assert (scorer.alias, scorer.run_id) == ("champion", "r1")
    assert scorer.metrics == trained.facts.metrics


def test_scorer_cannot_be_changed(scorer: Scorer) -> None:
    with pytest.raises(FrozenInstanceError):
        scorer.version = "8"  # type: ignore[misc, assignment]


def test_file_that_is_no_onnx_is_unusable() -> None:
    with pytest.raises(ModelUnusable, match="fraud version 9"):
        open_scorer(b"not a model", name="fraud", version="9")


def test_onnx_without_facts_is_unusable(trained: Any) -> None:
    model = onnx.load_from_string(trained.onnx_model)
    del model.metadata_props[:]
    with pytest.raises(ModelUnusable, match="does not state 'inputs'"):
        open_scorer(model.SerializeToString(), name="fraud", version="9")


@pytest.mark.fault("Model", "the facts of another model", "refused")
def test_onnx_with_the_facts_of_another_is_unusable(trained: Any) -> None:
    model = onnx.load_from_string(trained.onnx_model)
    next(item for item in model.metadata_props if item.key == "inputs").value = '["price"]'
    with pytest.raises(ModelUnusable, match="says that it takes"):
        open_scorer(model.SerializeToString(), name="fraud", version="9")


def test_serving_imports_nothing_of_training() -> None:
    heavy = ("sklearn", "pandas", "mlflow", "feast", "onnx", "skl2onnx", "matplotlib", "sqlalchemy")
    code = f"import sys, poc.model.registry; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_left_in_the_users_folders_nor_reported(tmp_path: Path) -> None:
    told = {name: text for name, text in os.environ.items() if not name.startswith("ORT_")}
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", "import poc.model.scoring"], env=told | places, check=True)
    assert list(tmp_path.iterdir()) == []
