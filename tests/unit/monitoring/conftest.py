"""A state of the online store in which every metric has a value of its own."""

from datetime import datetime, timedelta, timezone

import pytest

from poc.materialization.records import Attempt, Attempts, MaterializationRun
from poc.monitoring.state import State, ViewState

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
STORE, VIEW = "cassandra", "transaction_features"


@pytest.fixture
def state() -> State:
    """Materialized at 11:59 up to 11:58; the attempt after that failed at noon, another one runs."""
    until = NOON - timedelta(minutes=2)
    run = MaterializationRun(
        online_store=STORE,
        feature_view=VIEW,
        finished_at=NOON - timedelta(minutes=1),
        started_at=NOON - timedelta(minutes=1, seconds=5),
        covered_from=until - timedelta(days=30),
        covered_until=until,
        content="9997-00ff",
        transactions=9_997,
        duration_seconds=2.5,
        written_us=1,
    )
    attempts = Attempts(
        (
            Attempt(STORE, VIEW, NOON + timedelta(seconds=10)),
            Attempt(STORE, VIEW, NOON - timedelta(seconds=5), NOON, "OnlineValuesDiffer: 1.amount"),
            Attempt(STORE, VIEW, run.started_at, run.finished_at),
        ),
        last_succeeded_at=run.finished_at,
        newest_event=NOON - timedelta(hours=3),
    )
    return State(
        online_store=STORE,
        views=(ViewState(VIEW, timedelta(days=30), run, attempts),),
        entities={("ml_features", VIEW): 9_997},
        size_bytes={
            ("ml_features", VIEW, "127.0.0.1"): 2**20,
            ("ml_features", VIEW, "127.0.0.2"): 2**21,
        },
        nodes={"127.0.0.1": True, "127.0.0.2": True, "127.0.0.3": False},
    )
