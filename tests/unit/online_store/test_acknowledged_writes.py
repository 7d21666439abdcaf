import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cassandra import InvalidRequest, OperationTimedOut

from poc.online_store.acknowledged_writes import DriverWriter, Outcome, is_hopeless, outcome, write_all
from poc.online_store.bound_rows import BoundRow
from poc.online_store.errors import NotAcknowledged, RefusedByGuardrail
from poc.online_store.session import WRITE


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
    with pytest.raises(NotAcknowledged, match="ValueError: bad") as told:
        write_all(writer, ROWS, sleep=lambda _: None)
    assert writer.calls == 1
    assert "Correct what is refused" in told.value.way_out


def test_write_that_a_guardrail_refuses_is_told_as_that_and_not_tried_again() -> None:
    said = "Guardrail write_consistency_levels violated: Provided values [LOCAL_ONE] are not allowed"
    writer = Flaky(1, InvalidRequest(said), worth_repeating=False)
    with pytest.raises(RefusedByGuardrail, match="write_consistency_levels violated") as told:
        write_all(writer, ROWS, sleep=lambda _: None)
    assert writer.calls == 1
    assert told.value.way_out.startswith("State another consistency_level")


class Answer:
    """What a session sends, answered in a thread: each of `said` in its turn, an error or None."""

    def __init__(self, said: Sequence[Exception | None], seconds: float) -> None:
        self.said, self.seconds = said, seconds

    def add_callbacks(self, done: Any, failed: Any, callback_args: Any, errback_args: Any) -> None:
        def answer() -> None:
            time.sleep(self.seconds)
            for error in self.said:
                failed(error, *errback_args) if error is not None else done(None, *callback_args)

        threading.Thread(target=answer, daemon=True).start()


class Answering:
    """A session that answers each row as it is told to."""

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.answer, self.sent = answer, 0
        self.told: set[tuple[object, str]] = set()
        self.cluster, self.is_shut_down = self, False

    def shutdown(self) -> None:
        self.is_shut_down = True

    def execute_async(self, statement: object, row: BoundRow, execution_profile: str) -> Answer:
        self.sent += 1
        self.told.add((statement, execution_profile))
        return self.answer(row[0])


@pytest.fixture(autouse=True)
def _nothing_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "poc.online_store.acknowledged_writes._UNTIL_KNOWN", lambda prepare, session, cql: f"prepared {cql}"
    )


def test_row_that_two_nodes_answer_counts_once() -> None:
    # Both do where a second one is asked for what is late.
    session = Answering(lambda row: Answer((None, None), 0.0) if row < 2 else Answer((None,), 0.2))
    assert DriverWriter(session, "", 3).send([(row,) for row in range(5)]) == Outcome([])


def test_nothing_is_sent_after_an_error_that_will_not_pass() -> None:
    session = Answering(lambda row: Answer((InvalidRequest("bad"),), 0.05))
    assert len(DriverWriter(session, "", 1).send(ROWS).remaining) == 5
    assert session.sent == 1


def test_what_the_writer_itself_raises_is_no_answer_and_is_not_tried_again() -> None:
    class Broken(Flaky):
        def send(self, rows: Sequence[BoundRow]) -> Outcome:
            self.calls += 1
            raise LookupError("a fault of ours")

    writer = Broken(0, ValueError())
    with pytest.raises(LookupError):
        write_all(writer, ROWS, sleep=lambda _: None)
    assert writer.calls == 1


def test_rows_are_sent_by_the_prepared_statement_at_the_level_of_writes() -> None:
    session = Answering(lambda row: Answer((None,), 0.0))
    assert DriverWriter(session, "INSERT", 2).send(ROWS) == Outcome([])
    assert session.told == {("prepared INSERT", WRITE)}


def test_session_of_the_caller_stays_open_and_an_own_one_ends() -> None:
    for owns in (False, True):
        session = Answering(lambda row: Answer((None,), 0.0))
        (DriverWriter(session, "", 1, owns_session=True) if owns else DriverWriter(session, "", 1)).close()
        assert session.is_shut_down is owns


def test_value_that_cannot_be_bound_is_told_and_will_not_pass() -> None:
    bad = ValueError("no such number")

    def answer(row: int) -> Answer:
        if row == 1:
            raise bad
        return Answer((None,), 0.0)

    met = DriverWriter(Answering(answer), "", 1).send(ROWS)
    assert met == Outcome(ROWS[1:], bad, worth_repeating=False)


SLOW, LATE = OperationTimedOut("slow"), OperationTimedOut("late")


def test_error_that_may_pass_is_worth_another_try_and_the_first_is_told() -> None:
    met = outcome(ROWS, bytearray([1, 0, 1, 1, 0]), [SLOW, LATE], (OperationTimedOut,))
    assert met == Outcome([ROWS[1], ROWS[4]], SLOW, worth_repeating=True)


def test_error_that_will_not_pass_is_told_before_those_that_may() -> None:
    bad = ValueError("bad")
    met = outcome(ROWS, bytearray(5), [SLOW, bad, LATE], (OperationTimedOut,))
    assert met == Outcome(ROWS, bad, worth_repeating=False)


@pytest.mark.parametrize(
    ("errors", "hopeless"), [([], False), ([SLOW], False), ([SLOW, LATE], True), ([ValueError()], True)]
)
def test_sending_ends_once_a_whole_window_failed_or_one_row_can_never_be_written(
    errors: list[Exception], hopeless: bool
) -> None:
    assert is_hopeless(errors, 2, (OperationTimedOut,)) is hopeless
