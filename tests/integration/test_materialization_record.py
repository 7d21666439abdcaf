import time
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
    written_us=1_700_000_000_000_000,
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


def test_write_time_beats_that_of_every_store_s_runs_also_of_a_clock_that_is_ahead(
    session: Session, record: MaterializationRecord
) -> None:
    now = time.time_ns() // 1000
    assert now <= record.next_write_time(session, "transaction_features") < now + 60_000_000
    ahead = now + 3_600_000_000
    record.add(session, replace(RUN, online_store="rows", written_us=ahead))
    record.add(session, RUN)
    assert record.next_write_time(session, "transaction_features") == ahead + 1


def test_without_a_table_there_was_no_run(session: Session, keyspace: str) -> None:
    assert MaterializationRecord(keyspace, PROJECT).last(session, "cassandra", "transaction_features") is None


def test_projects_do_not_see_each_other(
    session: Session, keyspace: str, record: MaterializationRecord
) -> None:
    other = MaterializationRecord(keyspace, "other")
    other.create(session)
    record.add(session, RUN)
    assert other.last(session, "cassandra", "transaction_features") is None


def test_last_run_into_each_store_is_found(session: Session, record: MaterializationRecord) -> None:
    into_rows = replace(RUN, online_store="rows", finished_at=NOON + timedelta(hours=1))
    for run in (RUN, into_rows, replace(RUN, feature_view="cards")):
        record.add(session, run)
    assert record.last_of_each_store(session, "transaction_features") == {"cassandra": RUN, "rows": into_rows}
