import random

import pytest

from poc.online_store.partitions import SAMPLE, partitions_from


def tokens(count: int, seed: int) -> list[int]:
    """The first tokens on the ring of a table with `count` partitions."""
    rng = random.Random(seed)
    return sorted(rng.randrange(-(2**63), 2**63) for _ in range(count))[:SAMPLE]


@pytest.mark.parametrize("count", [0, 1, SAMPLE - 1])
def test_few_are_counted_exactly(count: int) -> None:
    assert partitions_from(tokens(count, seed=1)) == count


@pytest.mark.parametrize("count", [SAMPLE, 10_000, 100_000])
def test_many_are_estimated_without_a_bias(count: int) -> None:
    errors = [partitions_from(tokens(count, seed)) / count - 1 for seed in range(20)]
    # 3 % each; of twenty the mean is 0.7 % off, the worst within four standard errors.
    assert abs(sum(errors) / len(errors)) < 0.02
    assert max(map(abs, errors)) < 0.13


def test_keys_that_lie_evenly_are_estimated_exactly() -> None:
    # 999 of them lie before the last token, which is a hundredth of the ring away from its first.
    step = 2**64 // 100_000
    assert partitions_from([-(2**63) + step * number for number in range(1, SAMPLE + 1)]) == 99_900
