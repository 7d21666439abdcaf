import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poc.errors import NotExplainable
from poc.model.contributions import MOST_DIFFERING_INPUTS, contributions, shapley_values
from poc.model.scoring import Scorer

ROWS = st.fixed_dictionaries(
    {
        "price": st.none() | st.floats(0, 1e6),
        "hour": st.none() | st.integers(0, 23),
        "abroad": st.none() | st.booleans(),
        "shop": st.sampled_from([None, "Toys", "Books", "Weapons"]),
        "browser": st.sampled_from([None, "a", "b", "z"]),
    }
)


def log_odds(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)


@given(row=ROWS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contributions_are_together_the_whole_way_from_typical(
    scorer: Scorer, row: Mapping[str, object]
) -> None:
    found = contributions(scorer, row)
    typical, explained = scorer.score([found.typical, row])
    assert found.typical_probability == typical
    assert tuple(found.log_odds) == scorer.inputs
    assert math.fsum(found.log_odds.values()) == pytest.approx(
        log_odds(explained) - log_odds(typical), abs=1e-9
    )


def test_contributions_are_those_of_the_shap_package(scorer: Scorer) -> None:
    import shap

    typical = contributions(scorer, scorer.typical).typical
    row = {"price": 240.0, "hour": 3, "abroad": True, "shop": "Toys", "browser": "b"}
    # shap wants numbers: 0 stands for the typical value of an input, 1 for this row's.
    sides = [(typical[name], row[name]) for name in scorer.inputs]

    def score(mixtures: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        rows = [
            {name: pair[int(side)] for name, pair, side in zip(scorer.inputs, sides, mixture, strict=True)}
            for mixture in mixtures
        ]
        return np.array([log_odds(probability) for probability in scorer.score(rows)])

    background = np.zeros((1, len(sides)))
    explainer = shap.ExactExplainer(score, shap.maskers.Independent(background))
    expected = explainer(np.ones((1, len(sides)))).values[0]
    found = list(contributions(scorer, row).log_odds.values())
    assert found == pytest.approx(expected.tolist(), abs=1e-9)
    assert max(map(abs, found)) > 0.5


def test_input_that_is_as_typical_contributes_nothing(scorer: Scorer) -> None:
    row = {**scorer.typical, "price": 900.0}
    found = contributions(scorer, row).log_odds
    assert found.pop("price") > 0
    assert set(found.values()) == {0.0}


def test_inputs_that_only_work_together_share_what_they_do() -> None:
    alone, both = 0.0, 6.0
    assert shapley_values(np.array([0.0, alone, alone, both])) == [3.0, 3.0]


def test_player_without_effect_gets_nothing() -> None:
    # Player 1 brings 2, player 0 nothing, and neither changes what the other brings.
    assert shapley_values(np.array([1.0, 1.0, 3.0, 3.0])) == [0.0, 2.0]


def test_nobody_shares_nothing() -> None:
    assert shapley_values(np.array([0.7])) == []


def test_model_without_a_typical_transaction_says_how_to_get_one(scorer: Scorer) -> None:
    old = replace(scorer, typical=None)
    with pytest.raises(NotExplainable, match=r"version 7.*\n.*train_fraud_model.py"):
        contributions(old, scorer.typical)


class ManyInputs:
    """As a scorer: the log-odds are the sum of the inputs, less five."""

    def __init__(self, count: int) -> None:
        self.name, self.version = "many", "1"
        self.inputs = tuple(f"input_{number:02}" for number in range(count))
        self.typical = dict.fromkeys(self.inputs, 0.0)

    def score(self, rows: list[dict[str, float]]) -> list[float]:
        return [1 / (1 + math.exp(5 - sum(row[name] for name in self.inputs))) for row in rows]


@pytest.mark.alone
def test_as_many_inputs_as_are_allowed_are_explained_in_time() -> None:
    scorer: Any = ManyInputs(MOST_DIFFERING_INPUTS)
    started = time.perf_counter()
    found = contributions(scorer, dict.fromkeys(scorer.inputs, 0.5))
    assert list(found.log_odds.values()) == pytest.approx([0.5] * len(scorer.inputs))
    assert time.perf_counter() - started < 2


def test_one_more_is_refused_with_the_number() -> None:
    scorer: Any = ManyInputs(MOST_DIFFERING_INPUTS + 1)
    with pytest.raises(
        NotExplainable, match=f"{MOST_DIFFERING_INPUTS + 1} inputs.*\n.*{MOST_DIFFERING_INPUTS}"
    ):
        contributions(scorer, dict.fromkeys(scorer.inputs, 0.5))
    # Inputs that are as in the typical transaction do not count.
    row = dict.fromkeys(scorer.inputs, 0.5) | {scorer.inputs[0]: 0.0}
    assert contributions(scorer, row).log_odds[scorer.inputs[0]] == 0.0


def test_certain_model_gives_finite_contributions() -> None:
    scorer: Any = ManyInputs(2)
    found = contributions(scorer, {"input_00": 500.0, "input_01": -3.0})
    assert all(math.isfinite(share) for share in found.log_odds.values())
