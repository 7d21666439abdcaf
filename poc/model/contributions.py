"""How much each input moved a score away from that of a typical transaction.

Exact Shapley values of the log-odds, whatever kind the model is: it is asked for every mixture of the two
transactions, in one run. In log-odds, which the trees add up, contributions compare between transactions:
`exp` of one is the factor by which the input multiplies the odds of fraud. docs/adr/0011 says why not
the shap package.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poc.errors import NotExplainable
from poc.model.scoring import Scorer

# Mixtures double with each input: 12 make 4,096, which the model scores in a few milliseconds.
MOST_DIFFERING_INPUTS = 12
# The model answers in 32 bits: what rounds to a probability of 0 or 1 would be infinitely far away.
LEAST_PROBABILITY = 2.0**-24


@dataclass(frozen=True, slots=True)
class Contributions:
    """What led from a typical transaction's score to that of another one.

    Attributes:
        log_odds: for each input, in the model's order, what it adds to the log-odds (natural) of fraud;
            together they are the difference of the two transactions' log-odds.
    """

    typical: Mapping[str, float | str | None]
    typical_probability: float
    log_odds: Mapping[str, float]


def contributions(scorer: Scorer, row: Mapping[str, object]) -> Contributions:
    """Work out how much each input of `row` contributes, against the model's typical transaction.

    An input that is as in the typical transaction contributes exactly nothing.

    Raises NotExplainable, KeyError, TypeError.
    """
    typical = scorer.typical
    if typical is None:
        raise NotExplainable(
            f"{scorer.name} version {scorer.version} was trained before models kept a typical transaction",
            "Train it again: python poc/train_fraud_model.py",
        )
    differing = [name for name in scorer.inputs if row[name] != typical[name]]
    if len(differing) > MOST_DIFFERING_INPUTS:
        raise NotExplainable(
            f"{len(differing)} inputs differ from a typical transaction",
            f"Contributions are worked out for up to {MOST_DIFFERING_INPUTS}.",
        )
    mixtures = [
        {**typical, **{name: row[name] for place, name in enumerate(differing) if mixture >> place & 1}}
        for mixture in range(2 ** len(differing))
    ]
    probabilities = scorer.score(mixtures)
    bounded: Any = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    log_odds = np.log(bounded) - np.log1p(-bounded)
    shares = dict(zip(differing, shapley_values(log_odds), strict=True))
    return Contributions(typical, probabilities[0], {name: shares.get(name, 0.0) for name in scorer.inputs})


def shapley_values(worths: NDArray[np.float64]) -> list[float]:
    """Divide what all players are worth together among them, each by what it adds, in all orders of joining.

    Args:
        worths: of each set of players; bit i of the position tells whether player i is in it.

    Returns: A share for each player; together they are the last worth less the first.
    """
    players, sets = len(worths).bit_length() - 1, np.arange(len(worths))
    sizes = np.array([mixture.bit_count() for mixture in range(len(worths))])
    # The share of all orders of joining in which just a set of that size is there before a player comes.
    weights = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    shares: list[float] = []
    for player in range(players):
        without = sets[sets >> player & 1 == 0]
        gains = worths[without | 1 << player] - worths[without]
        shares.append(float(weights[sizes[without]] @ gains))
    return shares
