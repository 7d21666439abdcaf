"""A host whose clock is wrong, and one whose clock is set while it serves."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fault_report import Seen
from ports import free_port
from predictions import Predictions
from replaced_rows import replace_rows
from server_process import ServerProcess

pytestmark = pytest.mark.parametrize("workplace", ["stores/rows.yaml"], indirect=True, scope="module")
SOURCE = Path(__file__).parents[1] / "support/wrong_clock.c"
HOUR = timedelta(hours=1)
NEWEST, FOLLOWED_SECONDS = "newest", 5.0


def put(workplace: Any, amount: float, at: datetime) -> None:
    """Add a row of its own to the data, in the place of the one before."""

    def with_it(rows: pd.DataFrame) -> pd.DataFrame:
        others = rows[rows.transaction_id != NEWEST]
        added = others.iloc[[0]].assign(transaction_id=NEWEST, amount=amount, timestamp=pd.Timestamp(at))
        return pd.concat([others, added])

    replace_rows(workplace.folder, with_it)


def just_now() -> datetime:
    """What a run that begins at once takes: rows up to the second before."""
    return datetime.now(timezone.utc) - timedelta(seconds=2)


def amount_of_the_newest(workplace: Any) -> str:
    return workplace.python(
        "from feast import FeatureStore\n"
        "store = FeatureStore(repo_path='feature_repo')\n"
        f"rows = [{{'transaction_id': {NEWEST!r}}}]\n"
        "read = store.get_online_features(features=['transaction_features:amount'], entity_rows=rows)\n"
        "print(read.to_dict()['amount'][0])"
    ).stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def filled(workplace: Any) -> None:
    workplace.shell("python scripts/feast_setup.py; python scripts/feast_materialize.py")


class Clock:
    """That of the processes which have its variables, wrong by some seconds."""

    def __init__(self, folder: Path) -> None:
        library, self._path = folder / "wrong_clock.so", folder / "clock"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self._path.write_bytes(bytes(8))
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._path)}

    def set(self, ahead: timedelta) -> None:
        # In place: who reads it has this very file mapped.
        with self._path.open("r+b") as file:
            file.write(int(ahead.total_seconds()).to_bytes(8, "little", signed=True))


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.mark.parametrize("hours", [-2, 2])
@pytest.mark.fault(
    "Data",
    "a run on a host whose clock is two hours wrong",
    "freshness does not hold; the next run with a right clock serves every row, and is the newest",
)
def test_run_with_a_wrong_clock_hides_no_row_from_the_next_one(
    workplace: Any, clock: Clock, hours: int
) -> None:
    put(workplace, 100.0 + hours, just_now())
    clock.set(hours * HOUR)
    there = " ".join(f"{name}='{value}'" for name, value in clock.variables.items())
    workplace.shell(f"env {there} python scripts/feast_materialize.py")
    # Of a time that a clock two hours ahead has passed.
    put(workplace, 100.5 + hours, just_now())
    told = workplace.shell("python scripts/check_freshness.py", check=False)
    assert told.returncode == 1
    assert ("in the future" if hours > 0 else "2 h") in told.stdout
    workplace.shell("python scripts/feast_materialize.py; python scripts/check_consistency.py")
    assert amount_of_the_newest(workplace) == str(100.5 + hours)
    workplace.shell("python scripts/check_freshness.py")
    # The next one goes on from that run.
    assert "since the last run" in workplace.shell("python scripts/feast_materialize.py").stderr


@pytest.fixture
def server(workplace: Any, clock: Clock, tmp_path: Path) -> Iterator[ServerProcess]:
    workplace.shell("python poc/train_fraud_model.py")
    variables = clock.variables | {
        "FEAST_REPO_PATH": str(workplace.folder / "feature_repo"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{workplace.folder}/data/mlflow.db",
        "FEATURE_TIMEOUT_SECONDS": "5",
    }
    started = ServerProcess("poc/serve_model_feast.py", free_port(), variables, tmp_path, sys.executable)
    started.wait_until_ready()
    yield started
    started.kill()


@pytest.mark.fault(
    "Serving",
    "the server's clock set an hour ahead, then an hour back, under load",
    "every prediction is answered with the same score; new values are followed in 5 s",
)
def test_clock_that_is_set_while_serving_is_not_seen_in_the_answers(
    workplace: Any, server: ServerProcess, clock: Clock, seen: Seen
) -> None:
    with Predictions(server) as load:
        for ahead in (HOUR, -HOUR, 0 * HOUR):
            time.sleep(1)
            clock.set(ahead)
        time.sleep(1)
    assert {answer.status for answer in load.answers} == {200}
    assert len(load.probabilities()) == 1
    clock.set(-HOUR)
    put(workplace, 7.25, just_now())
    workplace.shell("python scripts/feast_materialize.py --full")
    deadline = time.monotonic() + FOLLOWED_SECONDS
    while (amount := server.predict(NEWEST).json()["features"]["amount"]) != 7.25:
        assert time.monotonic() < deadline, amount
        time.sleep(0.1)
    seen("predictions", len(load.answers), "")
    seen("wrong answers", 0, "")
