from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.online_store.session import Session

PROJECT = "ml_platform_poc"

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
    made = MaterializationRecord(keyspace, PROJECT)
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
    assert MaterializationRecord(keyspace, PROJECT).last(session, "cassandra", "transaction_features") is None


def test_projects_do_not_see_each_other(
    session: Session, keyspace: str, record: MaterializationRecord
) -> None:
    other = MaterializationRecord(keyspace, "other")
    other.create(session)
    record.add(session, RUN)
    record.claim_revision(session, "cassandra", "transaction_features")
    assert other.last(session, "cassandra", "transaction_features") is None
    assert other.claim_revision(session, "cassandra", "transaction_features") == 0


def test_last_run_into_each_store_is_found(session: Session, record: MaterializationRecord) -> None:
    into_rows = replace(RUN, online_store="rows", finished_at=NOON + timedelta(hours=1))
    for run in (RUN, into_rows, replace(RUN, feature_view="cards")):
        record.add(session, run)
    assert record.last_of_each_store(session, "transaction_features") == {"cassandra": RUN, "rows": into_rows}
