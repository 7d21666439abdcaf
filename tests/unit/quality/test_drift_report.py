import json
from dataclasses import asdict
from pathlib import Path

import pytest

from poc.quality.drift import (
    Drift,
    FeatureDrift,
    describe_drift,
    describe_missing_reference,
    drift_table,
)


@pytest.fixture
def drift() -> Drift:
    return Drift(
        "fraud version 7",
        1234,
        (
            FeatureDrift("amount", "drifted", 0.61234, 0.25, 0.01, "most at above 9: 10.0% of rows before"),
            FeatureDrift("hour", "no limit", 0.0, None, 0.01, "most at 3: 4.0% of rows before"),
            FeatureDrift("tip", "not compared", limit=0.25, why_not="the model was trained without it"),
        ),
    )


def test_table_has_a_line_a_feature(drift: Drift) -> None:
    assert drift_table(drift).splitlines() == [
        "feature  PSI    limit  verdict       largest change, or why none",
        "amount   0.612  0.25   drifted       most at above 9: 10.0% of rows before",
        "hour     0.000         no limit",
        "tip             0.25   not compared  the model was trained without it",
    ]


def test_line_names_what_drifted_and_from_what(drift: Drift) -> None:
    assert describe_drift(drift) == "amount drifted from what fraud version 7 was trained on"


def test_line_says_where_rows_are_too_few() -> None:
    few = Drift("fraud version 7", 12, (FeatureDrift("a", "too few rows", 0.9, 0.25, 2.0, ""),))
    assert describe_drift(few) == (
        "No feature drifted from what fraud version 7 was trained on;"
        " 12 rows are too few to tell for 1 of them"
    )


def test_line_says_which_limits_could_not_be_asked() -> None:
    unseen = (
        FeatureDrift("tip", "not compared", limit=0.25, why_not="the model was trained without it"),
        FeatureDrift("note", "not compared", why_not="no value has 1 % of the training rows"),
    )
    assert describe_drift(Drift("fraud version 7", 12, unseen)) == (
        "No feature drifted from what fraud version 7 was trained on;"
        " tip: not compared (the model was trained without it)"
    )


def test_missing_reference_is_said_in_one_line_with_the_way_out() -> None:
    line = describe_missing_reference(Path("data/some.json"))
    assert line.startswith("No training reference in data/some.json: drift is not checked.")
    assert "python poc/train_fraud_model.py" in line
    assert "\n" not in line


def test_figures_are_plain_numbers_for_json(drift: Drift) -> None:
    document = json.loads(json.dumps(asdict(drift)))
    assert document["features"][0]["psi"] == 0.61234
