from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from poc.model.scoring import ModelFacts, from_metadata, to_metadata


@pytest.fixture
def facts() -> ModelFacts:
    return ModelFacts(
        inputs=("amount", "shop"),
        categories={"shop": ("Toys", "Bücher, alt")},
        threshold=0.1 + 0.2,
        label="is_fraud",
        feature_service="v1",
        missed_fraud_cost=200.0,
        false_alarm_cost=10.0,
        trained_at=datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc),
        metrics={"pr_auc": 1 / 3},
        typical={"amount": 1 / 7, "shop": None},
    )


def test_facts_come_back_as_they_were_written(facts: ModelFacts) -> None:
    assert from_metadata(to_metadata(facts)) == facts


def test_properties_of_others_are_ignored(facts: ModelFacts) -> None:
    assert from_metadata(to_metadata(facts) | {"mlflow": "x"}) == facts


def test_model_from_before_typical_was_kept_has_none(facts: ModelFacts) -> None:
    properties = to_metadata(facts)
    del properties["typical"]
    assert from_metadata(properties) == replace(facts, typical=None)
    assert to_metadata(replace(facts, typical=None)) == properties


def test_training_time_is_read_in_utc(facts: ModelFacts) -> None:
    elsewhere = facts.trained_at.astimezone(timezone(timedelta(hours=2)))
    assert from_metadata(to_metadata(replace(facts, trained_at=elsewhere))).trained_at.tzinfo is timezone.utc


@pytest.mark.parametrize("name", ["threshold", "inputs", "categories", "trained_at"])
def test_missing_fact_is_named(facts: ModelFacts, name: str) -> None:
    properties = to_metadata(facts)
    del properties[name]
    with pytest.raises(ValueError, match=name):
        from_metadata(properties)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("threshold", '"high"'),
        ("threshold", '0.5, "label": "another"'),
        ("categories", "[1]"),
        ("trained_at", "7"),
        ("metrics", "{"),
        ("typical", "[]"),
    ],
)
def test_wrong_fact_is_refused(facts: ModelFacts, name: str, text: str) -> None:
    with pytest.raises(ValueError, match="wrongly"):
        from_metadata(to_metadata(facts) | {name: text})


def test_typical_transaction_without_one_of_the_inputs_is_refused(facts: ModelFacts) -> None:
    with pytest.raises(ValueError, match="does not state 'shop'"):
        from_metadata(to_metadata(facts) | {"typical": '{"amount": 1.0}'})
