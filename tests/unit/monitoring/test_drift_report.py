import json

import pytest

from poc.monitoring.drift import Drift, FeatureDrift
from poc.monitoring.drift_report import describe_drift, drift_document, drift_table


@pytest.fixture
def drift() -> Drift:
    return Drift(
        "fraud version 7",
        1234,
        (
            FeatureDrift("amount", "drifted", 0.61234, 0.25, 0.01, "most at above 9: 10.0% of rows before"),
            FeatureDrift("hour", "no limit", 0.0, None, 0.01, "most at 3: 4.0% of rows before"),
            FeatureDrift("tip", "not compared", limit=0.25),
        ),
    )


def test_table_has_a_line_a_feature(drift: Drift) -> None:
    assert drift_table(drift).splitlines() == [
        "feature  PSI    limit  verdict       largest change",
        "amount   0.612  0.25   drifted       most at above 9: 10.0% of rows before",
        "hour     0.000         no limit",
        "tip             0.25   not compared",
    ]


def test_line_names_what_drifted_and_from_what(drift: Drift) -> None:
    assert describe_drift(drift) == "amount drifted from what fraud version 7 was trained on"


def test_line_says_where_rows_are_too_few() -> None:
    few = Drift("fraud version 7", 12, (FeatureDrift("a", "too few rows", 0.9, 0.25, 2.0, ""),))
    assert describe_drift(few) == (
        "No feature drifted from what fraud version 7 was trained on;"
        " 12 rows are too few to tell for 1 of them"
    )


def test_line_says_that_nothing_was_trained_yet() -> None:
    assert "No model was trained yet" in describe_drift(None)


def test_document_has_the_figures(drift: Drift) -> None:
    document = json.loads(json.dumps(drift_document(drift)))
    assert document["features"][0]["psi"] == 0.61234
    assert drift_document(None) is None
