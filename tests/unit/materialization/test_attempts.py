from dataclasses import replace
from datetime import datetime, timedelta, timezone

from poc.materialization.records import Attempt, Attempts

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
RUNS = Attempt("cassandra", "transaction_features", NOON)
SUCCEEDED = replace(RUNS, ended_at=NOON + timedelta(seconds=3))
FAILED = replace(SUCCEEDED, failure="CassandraUnavailable: timed out")


def test_attempt_that_runs_has_not_failed() -> None:
    attempts = Attempts((RUNS, SUCCEEDED))
    assert attempts.running == RUNS
    assert attempts.failed == ()


def test_failures_are_those_since_the_last_success() -> None:
    attempts = Attempts((RUNS, FAILED, FAILED, SUCCEEDED, FAILED))
    assert attempts.failed == (FAILED, FAILED)


def test_attempt_that_never_ended_has_failed_once_another_was_begun() -> None:
    killed = RUNS
    assert Attempts((FAILED, killed, SUCCEEDED)).failed == (FAILED, killed)
    assert Attempts((SUCCEEDED, killed)).failed == ()


def test_nothing_known_is_no_failure() -> None:
    assert Attempts().failed == ()
    assert Attempts().running is None
