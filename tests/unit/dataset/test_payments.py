import numpy as np
import pytest

from poc.dataset.generate import AMOUNT, HOUR, QUANTILES

EVEN = (np.arange(100_000) + 0.5) / 100_000


def test_amounts_are_exponential_with_mean_176_to_the_cent() -> None:
    amounts = QUANTILES[AMOUNT](EVEN)
    assert amounts.mean() == pytest.approx(176, rel=0.001)
    assert np.median(amounts) == pytest.approx(176 * np.log(2), abs=0.01)
    assert (amounts == np.round(amounts, 2)).all()


@pytest.mark.parametrize(
    ("name", "low", "high"), [(HOUR, 0, 23), ("device_trust_score", 25, 99), ("cardholder_age", 18, 69)]
)
def test_whole_numbers_are_uniform_over_their_range(name: str, low: int, high: int) -> None:
    values, counts = np.unique(QUANTILES[name](EVEN), return_counts=True)
    assert values.tolist() == list(range(low, high + 1))
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize(("name", "share"), [("foreign_transaction", 0.098), ("location_mismatch", 0.086)])
def test_flags_have_their_share(name: str, share: float) -> None:
    assert QUANTILES[name](EVEN).mean() == pytest.approx(share, abs=1e-4)


def test_velocity_is_poisson_of_mean_2() -> None:
    values = QUANTILES["velocity_last_24h"](EVEN)
    assert values.mean() == pytest.approx(2, abs=1e-3)
    assert values.var() == pytest.approx(2, abs=1e-2)
    assert (values == 0).mean() == pytest.approx(np.exp(-2), abs=1e-4)
