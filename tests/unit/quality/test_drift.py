from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from feast.types import Array, Float64, Int64, String
from scipy.stats import chi2

from poc.definitions import Feature, FeatureSet, JoinKey, ServedFeatures, ServedView
from poc.model.reference import TrainingReference, reference_features
from poc.quality.drift import FeatureDrift, chance_limit, index_parts, measure_drift

LIMITED = {"max_psi": "0.25"}


Features = tuple[Feature, ...]


@pytest.fixture(scope="module")
def declared() -> Features:
    return (
        Feature("price", Float64, "", LIMITED),
        Feature("hour", Int64, "", {}),
        Feature("shop", String, "", LIMITED),
    )


@pytest.fixture(scope="module")
def reference(declared: Features) -> TrainingReference:
    return trained_on(declared, payments(10_000, seed=1))


def trained_on(features: Features, rows: pa.Table) -> TrainingReference:
    keys = (JoinKey("payment_id", String),)
    view = FeatureSet("payments", keys, features, None, Path("payments.parquet"), "at", None)
    served = ServedFeatures("payments_v1", (ServedView(view, features, view.key_names),))
    return TrainingReference(
        model_name="fraud",
        model_alias="champion",
        model_version="7",
        feature_service=served.service,
        created_at=datetime(2026, 11, 24, tzinfo=timezone.utc),
        rows=len(rows),
        features=reference_features(served, rows.to_pandas()),
    )


def payments(rows: int, seed: int, mean: float = 100, shops: tuple[float, float] = (0.5, 0.5)) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "price": rng.exponential(mean, rows),
            "hour": rng.integers(0, 24, rows),
            "shop": rng.choice(["Books", "Toys"], rows, p=shops),
        }
    )


def by_name(declared: Features, reference: TrainingReference, *batches: pa.Table) -> dict[str, FeatureDrift]:
    drift = measure_drift(declared, reference, batches)
    return {feature.feature: feature for feature in drift.features}


def test_index_of_known_shares_is_the_textbooks() -> None:
    # (0.3 - 0.5) ln(0.3 / 0.5) + (0.7 - 0.5) ln(0.7 / 0.5); the added half rows do not show in a million.
    assert sum(index_parts([500_000, 500_000], [300_000, 700_000])) == pytest.approx(0.16946, abs=1e-5)
    assert sum(index_parts([10, 20, 0], [10, 20, 0])) == 0


def test_batch_of_the_same_kind_is_within_its_limits(
    declared: Features, reference: TrainingReference
) -> None:
    found = by_name(declared, reference, payments(5000, seed=2))
    assert {name: item.verdict for name, item in found.items()} == {
        "price": "within",
        "hour": "no limit",
        "shop": "within",
    }
    assert all(item.psi is not None and item.psi < 0.02 for item in found.values())


def test_changed_feature_is_the_one_that_drifted(declared: Features, reference: TrainingReference) -> None:
    drift = measure_drift(declared, reference, [payments(5000, seed=2, shops=(0.9, 0.1))])
    assert [feature.feature for feature in drift.drifted] == ["shop"]
    assert "(limit 0.25), most at" in str(drift.drifted[0])
    assert (drift.model, drift.rows) == ("fraud version 7", 5000)


def test_feature_without_a_limit_is_measured_and_not_refused(
    declared: Features, reference: TrainingReference
) -> None:
    noon = payments(5000, seed=2).set_column(1, "hour", pa.array([12] * 5000))
    drift = measure_drift(declared, reference, [noon])
    [hour] = [feature for feature in drift.features if feature.feature == "hour"]
    assert hour.psi is not None and hour.psi > 1
    assert drift.drifted == ()


def test_values_that_became_null_are_drift(declared: Features, reference: TrainingReference) -> None:
    nulls = payments(5000, seed=2).set_column(0, "price", pa.nulls(5000, pa.float64()))
    found = by_name(declared, reference, nulls)["price"]
    assert found.verdict == "drifted"
    assert found.change == "most at null: 0.0% of rows before, 100.0% now"


def test_unknown_category_is_drift(declared: Features, reference: TrainingReference) -> None:
    other = payments(5000, seed=2).set_column(2, "shop", pa.array(["Food"] * 5000))
    assert by_name(declared, reference, other)["shop"].verdict == "drifted"


def test_parts_of_a_batch_count_as_the_whole(declared: Features, reference: TrainingReference) -> None:
    whole = payments(5000, seed=2)
    parts = [whole.slice(0, 1), whole.slice(1, 3000), whole.slice(3001), whole.slice(0, 0)]
    assert measure_drift(declared, reference, parts) == measure_drift(declared, reference, [whole])


def test_small_batches_without_drift_are_rarely_refused(
    declared: Features, reference: TrainingReference
) -> None:
    """Of 50 rows a third and more are beyond the limit by chance; that is no reason to refuse them."""
    pool = payments(20_000, seed=3)
    # The hour has 24 values, so that chance is at its worst there.
    strict = tuple(replace(item, tags=LIMITED) for item in declared)
    found = [
        feature
        for start in range(0, 20_000, 50)
        for feature in measure_drift(strict, reference, [pool.slice(start, 50)]).features
    ]
    unsure = sum(feature.verdict == "too few rows" for feature in found)
    refused = sum(feature.verdict == "drifted" for feature in found)
    assert unsure > 300
    assert refused <= 5


def test_small_batch_with_great_drift_is_refused(declared: Features, reference: TrainingReference) -> None:
    assert by_name(declared, reference, payments(50, seed=4, mean=1000))["price"].verdict == "drifted"


def test_new_feature_and_changed_type_are_not_compared(
    declared: Features, reference: TrainingReference
) -> None:
    changed = (
        Feature("price", Float64, "", LIMITED),
        Feature("hour", Float64, "", LIMITED),
        Feature("tip", Float64, "", LIMITED),
    )
    found = by_name(changed, reference, payments(500, seed=2))
    assert [item.verdict for item in found.values()] == ["within", "not compared", "not compared"]
    assert str(found["hour"]) == "hour: not compared (it was Int64 when the model was trained)"
    assert str(found["tip"]) == "tip: not compared (the model was trained without it)"


def test_feature_that_only_shares_its_name_with_one_of_the_model_is_not_compared(
    declared: Features, reference: TrainingReference
) -> None:
    dearer = payments(5000, seed=2, mean=1000)
    drift = measure_drift(declared, reference, [dearer], untrained={"price"})
    assert drift.drifted == ()
    assert drift.features[0].why_not == "the model was trained without it"


@pytest.fixture(scope="module")
def named() -> tuple[Features, TrainingReference]:
    """A feature of which every value is rare, and what a model was trained on."""
    only = (Feature("buyer", String, "", LIMITED),)
    return only, trained_on(only, pa.table({"buyer": [f"buyer {number % 500}" for number in range(5000)]}))


@pytest.mark.parametrize("rows", [5000, 3])
def test_values_that_are_all_rare_are_not_compared(
    named: tuple[Features, TrainingReference], rows: int
) -> None:
    found = by_name(*named, pa.table({"buyer": ["a robot"] * rows}))["buyer"]
    assert (found.verdict, found.psi, found.limit) == ("not compared", None, 0.25)
    assert found.why_not == "no value has 1 % of the training rows"


def test_rare_values_that_became_null_are_drift(named: tuple[Features, TrainingReference]) -> None:
    found = by_name(*named, pa.table({"buyer": pa.nulls(5000, pa.string())}))["buyer"]
    assert found.verdict == "drifted"
    assert found.change == "most at null: 0.0% of rows before, 100.0% now"


def test_lists_are_not_compared() -> None:
    listed = (Feature("history", Array(Float64), "", LIMITED),)
    table = pa.table({"history": [[1.0], [2.0]]})
    assert by_name(listed, trained_on(listed, table), table)["history"].verdict == "not compared"


def test_batch_without_rows_is_not_compared(declared: Features, reference: TrainingReference) -> None:
    drift = measure_drift(declared, reference, [payments(0, seed=1)])
    assert {(feature.verdict, feature.why_not) for feature in drift.features} == {
        ("not compared", "the batch has no rows")
    }


def test_chance_depends_on_both_sizes_and_on_the_bins_in_use() -> None:
    expected = chi2.ppf(0.999, 1) * (1 / 100 + 1 / 50)
    assert chance_limit([50, 50, 0], [25, 25, 0]) == pytest.approx(expected)
