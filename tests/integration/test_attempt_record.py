"""The record of attempts, in a real Cassandra."""

import time
from datetime import datetime, timedelta, timezone

import pytest

from poc.materialization.records import MAX_REASON, READ_AT_MOST, AttemptRecord, Attempts
from poc.online_store.session import Session

PROJECT = "ml_platform_poc"
WHOSE = ("cassandra", "transaction_features")
NEWEST = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def record(session: Session, keyspace: str) -> AttemptRecord:
    made = AttemptRecord(keyspace, PROJECT)
    made.create(session)
    return made


def test_attempt_that_has_begun_runs(session: Session, record: AttemptRecord) -> None:
    begun = record.begin(session, *WHOSE)
    found = record.read(session, *WHOSE)
    assert found.running == begun
    assert abs(datetime.now(timezone.utc) - begun.started_at) < timedelta(minutes=1)
    assert (found.last_succeeded_at, found.newest_event) == (None, None)


def test_success_comes_back_with_the_newest_event(session: Session, record: AttemptRecord) -> None:
    record.succeed(session, record.begin(session, *WHOSE), NEWEST)
    found = record.read(session, *WHOSE)
    [attempt] = found.recent
    assert attempt.succeeded
    assert attempt.ended_at == found.last_succeeded_at
    assert found.newest_event == NEWEST


def test_failure_says_why_in_one_line_and_the_last_success_stays(
    session: Session, record: AttemptRecord
) -> None:
    record.succeed(session, record.begin(session, *WHOSE), NEWEST)
    before = record.read(session, *WHOSE)
    record.fail(session, record.begin(session, *WHOSE), "OnlineValuesDiffer: \n  1.amount " + "x" * 1000)
    found = record.read(session, *WHOSE)
    [failed] = found.failed
    assert failed.failure.startswith("OnlineValuesDiffer: 1.amount x")
    assert len(failed.failure) == MAX_REASON
    assert (found.last_succeeded_at, found.newest_event) == (before.last_succeeded_at, NEWEST)


def test_success_is_known_behind_any_number_of_failures(session: Session, record: AttemptRecord) -> None:
    record.succeed(session, record.begin(session, *WHOSE), NEWEST)
    for _ in range(READ_AT_MOST + 1):
        time.sleep(0.002)  # The lock keeps attempts apart, which are told apart by their millisecond.
        record.fail(session, record.begin(session, *WHOSE), "CassandraUnavailable")
    found = record.read(session, *WHOSE)
    assert len(found.failed) == READ_AT_MOST
    assert found.newest_event == NEWEST


def test_attempts_into_another_store_are_not_its(session: Session, record: AttemptRecord) -> None:
    record.begin(session, *WHOSE)
    assert record.read(session, "another", WHOSE[1]) == Attempts()


def test_without_a_table_there_was_no_attempt(session: Session, keyspace: str) -> None:
    assert AttemptRecord(keyspace, PROJECT).read(session, *WHOSE) == Attempts()


def test_attempts_of_another_project_are_not_its(session: Session, keyspace: str) -> None:
    other = AttemptRecord(keyspace, "other")
    other.create(session)
    other.begin(session, *WHOSE)
    assert AttemptRecord(keyspace, PROJECT).read(session, *WHOSE) == Attempts()
