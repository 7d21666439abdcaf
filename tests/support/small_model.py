"""A real model that is small enough to be made in a test: payments from 300 on are fraud."""

from datetime import datetime, timezone

import numpy as np
import pandas as pd

from poc.definitions import ServedFeatures
from poc.model.conversion import to_onnx
from poc.model.pipeline import fit_pipeline, model_inputs, typical_values
from poc.model.scoring import ModelFacts
from poc.settings import Settings

ROWS = 400


def small_model(served: ServedFeatures) -> tuple[bytes, ModelFacts]:
    """Train it, and return its ONNX form and what it says about itself."""
    rng = np.random.default_rng(7)
    amounts = rng.uniform(0, 600, ROWS)
    columns: dict[str, object] = {
        feature.name: rng.choice(feature.tags["values"].split(","), ROWS)
        if "values" in feature.tags
        else rng.integers(0, 2, ROWS).astype(float)
        for feature in served.features
    }
    frame = pd.DataFrame(columns | {"amount": amounts})
    labels = (amounts >= 300).astype(np.int64)
    inputs = model_inputs(served.features, frame)
    taken = frame[list(inputs.names)]
    facts = ModelFacts(
        inputs=inputs.names,
        categories=inputs.categories,
        threshold=0.5,
        label="is_fraud",
        feature_service=served.service,
        missed_fraud_cost=10.0,
        false_alarm_cost=1.0,
        trained_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
        metrics={},
        # Half of these payments are fraud; a typical one is not.
        typical={**typical_values(inputs, taken), "amount": 100.0},
    )
    return to_onnx(fit_pipeline(inputs, taken, labels, taken, labels), facts), facts


def register(settings: Settings, served: ServedFeatures) -> str:
    """Register it in the registry of `settings` as the served version, and give that version."""
    from poc.model.registry import TrainingRecord, promote, record

    onnx_model, facts = small_model(served)
    version = str(record(settings, TrainingRecord(onnx_model, facts, {}, {}, {})).version)
    promote(settings, version)
    return version
