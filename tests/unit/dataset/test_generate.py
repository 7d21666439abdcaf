from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from poc.dataset.columns import LABEL
from poc.dataset.generate import CATEGORY, QUANTILES, generate_dataset, generate_records
from poc.definitions import FeatureSet


def test_there_are_10000_records_of_9997_transactions(definitions: FeatureSet) -> None:
    ids = generate_dataset(definitions).column(definitions.key_names[0])
    assert len(ids) == 10_000
    assert len(ids.unique()) == 9_997


def test_samples_of_the_guide_have_its_amounts_now_and_in_november_2024(definitions: FeatureSet) -> None:
    records = generate_dataset(definitions).to_pandas()
    for transaction_id, amount in (("12345", 500.0), ("67890", 150.0), ("11111", 1200.0)):
        current, earlier = records[records[definitions.key_names[0]] == transaction_id].to_dict("records")
        assert current["amount"] == earlier["amount"] == amount
        assert current[definitions.timestamp_column] is pd.NaT
        assert earlier[definitions.timestamp_column].strftime("%Y-%m") == "2024-11"


@pytest.mark.parametrize(
    ("transaction_id", "asked"),
    [
        ("12345", datetime(2024, 12, 1, 10, tzinfo=timezone.utc)),
        ("67890", datetime(2024, 12, 2, 14, 30, tzinfo=timezone.utc)),
    ],
)
def test_older_records_are_within_the_ttl_of_the_guides_query(
    definitions: FeatureSet, transaction_id: str, asked: datetime
) -> None:
    records = generate_dataset(definitions).to_pandas()
    of_id = records[records[definitions.key_names[0]] == transaction_id]
    moment = of_id[definitions.timestamp_column].dropna().item()
    assert definitions.ttl is not None
    assert asked - definitions.ttl < moment <= asked


def test_transaction_12345_is_of_hour_14(definitions: FeatureSet) -> None:
    records = generate_records(definitions).set_index(definitions.key_names[0])
    assert records.at["12345", "transaction_hour"] == 14


def test_same_seed_gives_the_same_records_and_another_seed_others(definitions: FeatureSet) -> None:
    records = generate_records(definitions, seed=5)
    pd.testing.assert_frame_equal(records, generate_records(definitions, seed=5))
    assert not records.equals(generate_records(definitions, seed=6))


def test_columns_are_those_of_the_public_file(definitions: FeatureSet, public_records: pd.DataFrame) -> None:
    public = [
        "transaction_id",
        "amount",
        "transaction_hour",
        "merchant_category",
        "foreign_transaction",
        "location_mismatch",
        "device_trust_score",
        "velocity_last_24h",
        "cardholder_age",
        "is_fraud",
    ]
    # One that is declared since then stands among them.
    assert [name for name in public_records.columns if name in public] == public


def test_about_1_5_percent_are_fraud(definitions: FeatureSet) -> None:
    assert generate_records(definitions)[LABEL].mean() == pytest.approx(0.015, abs=0.002)


def test_fraud_can_be_learned_but_not_without_errors(definitions: FeatureSet) -> None:
    records = generate_records(definitions)
    inputs = records[list(definitions.names)].select_dtypes("number")
    inputs["night"] = records["transaction_hour"] <= 5
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(inputs[:7000], records[LABEL][:7000])
    scores = model.predict_proba(inputs[7000:])[:, 1]
    assert 0.5 < average_precision_score(records[LABEL][7000:], scores) < 0.95


def test_categories_are_even_over_the_declared_ones(definitions: FeatureSet) -> None:
    shares = generate_records(definitions)["merchant_category"].value_counts(normalize=True)
    assert sorted(shares.index) == ["Clothing", "Electronics", "Food", "Grocery", "Travel"]
    assert shares.to_numpy() == pytest.approx(0.2, abs=0.02)


def test_features_of_the_public_file_need_no_tags(definitions: FeatureSet) -> None:
    bare = (
        replace(item, tags={}) if item.name in {*QUANTILES, CATEGORY} else item
        for item in definitions.features
    )
    without = replace(definitions, features=tuple(bare))
    pd.testing.assert_frame_equal(generate_records(without), generate_records(definitions))


def test_added_feature_changes_no_other_column(
    definitions: FeatureSet, declare: Callable[..., FeatureSet]
) -> None:
    more = generate_records(declare("new_feature", Float64))
    pd.testing.assert_frame_equal(more.drop(columns="new_feature"), generate_records(definitions))


def test_removed_feature_changes_no_other_column_not_even_the_label(definitions: FeatureSet) -> None:
    fewer = replace(
        definitions, features=tuple(item for item in definitions.features if item.name != "amount")
    )
    pd.testing.assert_frame_equal(
        generate_records(fewer), generate_records(definitions).drop(columns="amount")
    )


@pytest.mark.parametrize(
    ("dtype", "tags", "kind"),
    [
        (Float64, {"min": "-2", "max": "3.5"}, pa.float64()),
        (Float64, {"max": "-7"}, pa.float64()),
        (Float32, {"min": "1e30"}, pa.float32()),
        (Int64, {"min": "-9223372036854775808", "max": "9223372036854775807"}, pa.int64()),
        (Int32, {"min": "5", "max": "5"}, pa.int32()),
        (Int32, {"min": "5", "max": "5000000000"}, pa.int32()),
        (Int32, {"min": "2147483640"}, pa.int32()),
        (Float64, {"max": "1.7e308"}, pa.float64()),
        (String, {"values": "a, b"}, pa.string()),
        (String, {}, pa.string()),
        (Bool, {}, pa.bool_()),
        (Bytes, {}, pa.binary()),
        (UnixTimestamp, {}, pa.timestamp("us", "UTC")),
        (Array(Int64), {}, pa.list_(pa.int64())),
        (Array(String), {}, pa.list_(pa.string())),
    ],
    ids=str,
)
def test_unknown_feature_gets_values_of_its_type_within_its_limits(
    declare: Callable[..., FeatureSet], dtype: object, tags: dict[str, str], kind: pa.DataType
) -> None:
    column = generate_dataset(declare("new_feature", dtype, **tags)).column("new_feature")
    assert column.type == kind
    assert column.null_count == 0
    values = column.to_pylist()
    if "min" in tags:
        assert min(values) >= float(np.float32(tags["min"]) if kind == pa.float32() else tags["min"])
    if "max" in tags:
        assert max(values) <= float(tags["max"])
    if "values" in tags:
        assert set(values) == {"a", "b"}


def test_known_feature_that_is_declared_as_whole_numbers_has_some(definitions: FeatureSet) -> None:
    whole = {"amount": {"dtype": Int64, "tags": {}}}
    features = tuple(replace(item, **whole.get(item.name, {})) for item in definitions.features)
    amounts = generate_dataset(replace(definitions, features=features)).column("amount")
    exact = generate_dataset(definitions).column("amount").to_numpy()
    assert amounts.type == pa.int64()
    assert amounts.to_pylist() == np.rint(exact).tolist()


def test_known_feature_stays_within_narrower_limits(definitions: FeatureSet) -> None:
    features = tuple(
        replace(item, tags={"min": "10", "max": "20"}) if item.name == "amount" else item
        for item in definitions.features
    )
    amounts = generate_records(replace(definitions, features=features), ids=["1", "2", "3", "4", "5"])[
        "amount"
    ]
    assert amounts.between(10, 20).all()
