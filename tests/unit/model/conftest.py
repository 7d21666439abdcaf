"""One small model, trained once a session on payments that are made up here."""

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from poc.definitions import Feature, FeatureSet, JoinKey, ServedFeatures, ServedView
from poc.model.conversion import to_onnx
from poc.model.pipeline import ModelInputs, fit_pipeline, input_columns, model_inputs, typical_values
from poc.model.scoring import ModelFacts, Scorer, open_scorer

ROWS = 1500


@dataclass(frozen=True)
class Trained:
    served: ServedFeatures
    rows: pd.DataFrame
    labels: NDArray[np.int64]
    inputs: ModelInputs
    columns: pd.DataFrame
    pipeline: Any
    facts: ModelFacts
    onnx_model: bytes


@pytest.fixture(scope="session")
def declared() -> ServedFeatures:
    """A double, an integer, a boolean, a string with declared values and one without."""
    from feast.types import Bool, Float64, Int64, String

    features = (
        Feature("price", Float64, "", {"min": "0"}),
        Feature("hour", Int64, "", {}),
        Feature("abroad", Bool, "", {}),
        Feature("shop", String, "", {"values": "Toys, Books"}),
        Feature("browser", String, "", {}),
    )
    keys = (JoinKey("payment_id", String),)
    view = FeatureSet("payments", keys, features, None, Path("payments.parquet"), "at", None)
    return ServedFeatures("payments_v1", (ServedView(view, features, view.key_names),))


@pytest.fixture(scope="session")
def trained(declared: ServedFeatures) -> Trained:
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        {
            "price": np.round(rng.exponential(100, ROWS), 2),
            "hour": rng.integers(0, 24, ROWS).astype(float),
            "abroad": rng.random(ROWS) < 0.2,
            "shop": rng.choice(["Toys", "Books"], ROWS),
            "browser": rng.choice(["a", "b", None], ROWS),
        }
    )
    risk = rows["price"] / 200 + 1.5 * rows["abroad"] + (rows["hour"] < 6) + (rows["shop"] == "Toys") - 4
    # Missing hours happen in fraud: the trees have something to learn from a null.
    labels = (rng.random(ROWS) < 1 / (1 + np.exp(-3 * risk))).astype(np.int64).to_numpy()
    rows.loc[(labels == 1) & (rng.random(ROWS) < 0.3), "hour"] = np.nan
    inputs = model_inputs(declared.features, rows)
    columns = input_columns(inputs, rows)
    pipeline = fit_pipeline(inputs, columns[:1000], labels[:1000], columns[1000:], labels[1000:])
    facts = ModelFacts(
        inputs=inputs.names,
        categories=inputs.categories,
        threshold=0.25,
        label="is_fraud",
        feature_service="payments_v1",
        missed_fraud_cost=200.0,
        false_alarm_cost=10.0,
        trained_at=datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc),
        metrics={"pr_auc": 0.5},
        typical=typical_values(inputs, columns[:1000]),
    )
    return Trained(declared, rows, labels, inputs, columns, pipeline, facts, to_onnx(pipeline, facts))


@pytest.fixture(scope="session")
def scorer(trained: Trained) -> Scorer:
    return open_scorer(trained.onnx_model, name="fraud", version="7", alias="champion", run_id="r1")
