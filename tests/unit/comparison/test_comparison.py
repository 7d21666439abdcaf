from collections.abc import Sequence
from dataclasses import replace

import pytest

from poc.comparison.comparison import Request, run_comparison
from poc.comparison.machine import Versions
from poc.comparison.methods import Key, Method, Row
from poc.errors import TooFewTransactions, UnequalConsistency, ValuesDiffer

VERSIONS = Versions("0.38.0", "3.30.1", "5.0.6", "3.11.7", None)
KEYS: list[Key] = [(str(number),) for number in range(20)]


def echo(name: str, consistency: str = "LOCAL_ONE", wrong_after: int = 10**9) -> Method:
    reads = 0

    def read(keys: Sequence[Key]) -> list[Row | None]:
        nonlocal reads
        reads += 1
        value = 0 if reads <= wrong_after else 1
        return [{"x": value, "y": key[0]} if key in KEYS else None for key in keys]

    return Method(name, name, "", read, consistency)


def test_every_batch_size_is_measured_in_the_order_asked_for() -> None:
    found = run_comparison((echo("a"), echo("b")), KEYS, Request(30, (5, 1), 1), VERSIONS)
    assert [result.batch_size for result in found.results] == [5, 1]
    assert [result.summaries["b"].requests for result in found.results] == [30, 30]
    assert [list(result.ratios) for result in found.results] == [["b"], ["b"]]


def test_way_that_is_measured_at_batches_only_has_no_numbers_of_single_reads() -> None:
    batches = replace(echo("b"), least_batch=2)
    found = run_comparison((echo("a"), batches), KEYS, Request(5, (1, 2), 1), VERSIONS)
    assert [list(result.summaries) for result in found.results] == [["a"], ["a", "b"]]
    assert [list(result.ratios) for result in found.results] == [[], ["b"]]


def test_what_was_read_is_counted() -> None:
    found = run_comparison((echo("a"), echo("b")), [*KEYS, ("stranger",)], Request(5, (1,), 1), VERSIONS)
    assert (found.transactions, found.unknown, found.features) == (20, 1, 2)


def test_progress_is_told_of_every_round_announced() -> None:
    request, told = Request(30, (1, 10), 1), []
    run_comparison((echo("a"), echo("b")), KEYS, request, VERSIONS, progress=lambda: told.append(1))
    assert len(told) == request.all_rounds


def test_value_that_changes_while_it_is_measured_ends_the_run() -> None:
    methods = (echo("a"), echo("b", wrong_after=20))
    with pytest.raises(ValuesDiffer, match="0 by a, 1 by b"):
        run_comparison(methods, KEYS, Request(100, (1,), 1), VERSIONS)


def test_ways_at_different_consistency_are_not_compared() -> None:
    with pytest.raises(UnequalConsistency, match="a at LOCAL_ONE, b at LOCAL_QUORUM"):
        run_comparison((echo("a"), echo("b", "LOCAL_QUORUM")), KEYS, Request(1, (1,), 1), VERSIONS)


def test_consistency_is_the_one_all_ways_read_at() -> None:
    methods = (echo("a", "LOCAL_QUORUM"), echo("b", "LOCAL_QUORUM"))
    assert run_comparison(methods, KEYS, Request(1, (1,), 1), VERSIONS).consistency == "LOCAL_QUORUM"


@pytest.mark.parametrize("keys", [KEYS, [*KEYS, *((f"stranger {number}",) for number in range(9))]])
def test_batch_larger_than_what_is_stored_is_refused(keys: list[Key]) -> None:
    with pytest.raises(TooFewTransactions, match=r"25 distinct transactions .* the 20 ") as caught:
        run_comparison((echo("a"), echo("b")), keys, Request(1, (1, 25), 1), VERSIONS)
    assert caught.value.exit_status == 2


def test_pool_is_large_enough_for_the_largest_batch() -> None:
    assert [Request(1, sizes, 1).pool for sizes in ((1, 10), (10, 3000, 1))] == [1000, 3000]
