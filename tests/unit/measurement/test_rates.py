from collections.abc import Callable

import pytest

from poc.measurement.rates import CLOSE, FIRST_RATE, P99_MS, highest_rate


def server(capacity: float, **outcome: float) -> Callable[[float], dict[str, float]]:
    """A server that answers up to `capacity` in time."""

    def ask(rate: float) -> dict[str, float]:
        late = rate > capacity
        return {"requests": rate, "seconds": 1.0, "p99_ms": P99_MS if late else 1.0, "errors": 0} | outcome

    return ask


@pytest.mark.parametrize("capacity", [FIRST_RATE, 60.0, 99.0, 777.0, 12_345.0])
def test_highest_rate_is_found_to_a_tenth(capacity: float) -> None:
    held = highest_rate(server(capacity))
    assert held is not None
    assert capacity / CLOSE <= held[0] <= capacity
    assert held[1]["p99_ms"] < P99_MS


@pytest.mark.parametrize(
    "outcome", [{"p99_ms": P99_MS}, {"errors": 1}, {"requests": 1.0}], ids=["late", "failed", "did not leave"]
)
def test_rate_that_is_not_answered_in_time_is_none(outcome: dict[str, float]) -> None:
    assert highest_rate(server(1000.0, **outcome)) is None


def test_requests_are_counted_by_the_second() -> None:
    assert (
        highest_rate(lambda rate: server(100.0)(rate) | {"requests": rate * 10, "seconds": 10.0}) is not None
    )
    slow = server(1e9, requests=FIRST_RATE, seconds=10.0)
    assert highest_rate(slow) is None


def test_one_bad_try_of_a_rate_does_not_end_the_search() -> None:
    tries: list[float] = []

    def ask(rate: float) -> dict[str, float]:
        tries.append(rate)
        return server(100.0)(10_000.0 if tries.count(rate) == 1 else rate)

    held = highest_rate(ask)
    assert held is not None
    assert held[0] >= 100.0 / CLOSE
