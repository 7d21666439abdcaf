from collections.abc import Sequence

import pytest

from poc.online_store.errors import NotAcknowledged
from poc.online_store.write import BoundRow
from poc.online_store.writer import Outcome, write_all


class Flaky:
    """A writer that acknowledges `share` rows a time, then meets `error`."""

    def __init__(self, share: int, error: Exception, worth_repeating: bool = True) -> None:
        self.share, self.error, self.worth_repeating = share, error, worth_repeating
        self.acknowledged: list[BoundRow] = []
        self.calls = 0

    def send(self, rows: Sequence[BoundRow]) -> Outcome:
        self.calls += 1
        self.acknowledged += rows[: self.share]
        remaining = rows[self.share :]
        return Outcome(remaining, self.error if remaining else None, self.worth_repeating)

    def fetch(self, cql: str) -> list[tuple[object, ...]]:
        return []

    def close(self) -> None:
        pass


ROWS = [(number,) for number in range(5)]


def test_rows_that_were_not_acknowledged_are_sent_again_and_only_those() -> None:
    writer, waits = Flaky(2, TimeoutError("slow")), []
    write_all(writer, ROWS, sleep=waits.append)
    assert writer.acknowledged == ROWS
    assert len(waits) == writer.calls - 1 == 2


def test_waits_stay_below_the_longest() -> None:
    waits: list[float] = []
    with pytest.raises(NotAcknowledged):
        write_all(Flaky(0, TimeoutError()), ROWS, attempts=12, sleep=waits.append)
    assert len(waits) == 11
    assert max(waits) <= 10


def test_waits_double_from_a_tenth_of_a_second_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    waits: list[float] = []
    with pytest.raises(NotAcknowledged):
        write_all(Flaky(0, TimeoutError("slow")), ROWS, sleep=waits.append)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert len([text for text in caplog.messages if "slow" in text]) == 5


def test_giving_up_says_how_many_rows_are_missing_and_why() -> None:
    with pytest.raises(NotAcknowledged, match="3 of 5 rows were not acknowledged: TimeoutError: slow"):
        write_all(Flaky(1, TimeoutError("slow")), ROWS, attempts=2, sleep=lambda _: None)


def test_error_that_will_not_pass_is_not_tried_again() -> None:
    writer = Flaky(1, ValueError("bad"), worth_repeating=False)
    with pytest.raises(NotAcknowledged, match="ValueError: bad"):
        write_all(writer, ROWS, sleep=lambda _: None)
    assert writer.calls == 1
