from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cassandra.cluster import Session

from poc.database.materializations import MaterializationRecord, MaterializationRun

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
RUN = MaterializationRun(
    online_store="cassandra",
    feature_view="transaction_features",
    finished_at=NOON,
    started_at=NOON - timedelta(minutes=1),
    covered_from=NOON - timedelta(days=30),
    covered_until=NOON,
    content="9997-00ff",
    transactions=9_997,
    duration_seconds=31.5,
    revision=2,
)


@pytest.fixture
def record(session: Session, keyspace: str) -> MaterializationRecord:
    made = MaterializationRecord(keyspace)
    made.create(session)
    return made


def test_newest_run_comes_back_as_it_was(session: Session, record: MaterializationRecord) -> None:
    record.add(session, replace(RUN, finished_at=NOON - timedelta(hours=1)))
    record.add(session, RUN)
    assert record.last(session, "cassandra", "transaction_features") == RUN


def test_runs_into_another_online_store_are_not_its(session: Session, record: MaterializationRecord) -> None:
    record.add(session, RUN)
    assert record.last(session, "another", "transaction_features") is None


def test_each_revision_is_one_more_than_the_last(session: Session, record: MaterializationRecord) -> None:
    claimed = [record.claim_revision(session, "cassandra", "transaction_features") for _ in range(3)]
    assert claimed == [0, 1, 2]


def test_without_a_table_there_was_no_run(session: Session, keyspace: str) -> None:
    assert MaterializationRecord(keyspace).last(session, "cassandra", "transaction_features") is None
