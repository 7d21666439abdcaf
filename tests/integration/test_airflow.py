"""The DAG in a real Airflow, in the environment of its own, on a real Cassandra."""

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ports import free_port

from poc.dataset.generate import generate_records
from poc.definitions import ServedFeatures
from poc.online_store.session import Session

CSV = "data/credit_card_fraud_10k.csv"
ONLINE = "feast_online_store.ml_platform_poc_transaction_features"
DIRECT = "ml_features.transaction_features"
RECORD = "ml_features.materializations"
# End of the data interval that the runs are for, and of the one before it.
HOUR = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
HOUR_BEFORE = HOUR - timedelta(hours=1)

LOAD = """
import json, sys, warnings
warnings.simplefilter("always")
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dag = bag.dags["fraud_features"]
tasks = {
    task.task_id: {
        "after": sorted(task.upstream_task_ids),
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "timeout": task.execution_timeout.total_seconds(),
    }
    for task in dag.tasks
}
print("LOADED", json.dumps({
    "errors": {str(path): str(error) for path, error in bag.import_errors.items()},
    "warnings": [str(item) for found in bag.captured_warnings.values() for item in found],
    "dags": sorted(bag.dags),
    "tasks": tasks,
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
}))
"""

# As `airflow dags test` after a validation that went well, but a task that fails is not tried again: that
# would take minutes.
RUN_ONCE = """
import sys
from datetime import datetime
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags["fraud_features"]
for task in dag.tasks:
    task.retries = 0
run = dag.test(logical_date=datetime.fromisoformat(sys.argv[2]), mark_success_pattern="validate")
states = sorted((item.task_id, str(item.state)) for item in run.get_task_instances())
print("STATES", dict(states), str(run.state))
"""


class Airflow:
    """Airflow in a copy of the project, through scripts/airflow.sh and the Python of its environment."""

    def __init__(self, workplace: Any, root: Path) -> None:
        self._workplace = workplace
        (workplace.folder / ".airflow-venv").symlink_to(root / ".airflow-venv")
        self.dags = workplace.folder / "deploy/airflow/dags"

    def run(self, moment: datetime, check: bool = True) -> str:
        """Run the DAG for the data interval before `moment`; give the log."""
        done = self._workplace.shell(
            f"scripts/airflow.sh dags test fraud_features {moment.isoformat()}", check=check
        )
        return str(done.stdout + done.stderr)

    def python(self, program: str, *arguments: str, **variables: str) -> str:
        """Run a Python program in Airflow's environment; give what it printed."""
        (self._workplace.folder / "program.py").write_text(program)
        named = " ".join(f"{name}={value}" for name, value in variables.items())
        done = self._workplace.shell(
            f"export AIRFLOW_HOME=$PWD/.airflow AIRFLOW__CORE__LOAD_EXAMPLES=False"
            f" AIRFLOW__CORE__DAGS_FOLDER={self.dags} FEAST_POC_PYTHON=$(command -v python) {named}\n"
            f".airflow-venv/bin/python program.py {self.dags} {' '.join(arguments)}"
        )
        return str(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def airflow(workplace: Any, root: Path) -> Airflow:
    made = Airflow(workplace, root)
    workplace.shell("scripts/airflow.sh version")
    return made


@pytest.fixture(scope="module")
def loaded(airflow: Airflow) -> Any:
    """What Airflow says of the DAG folder."""
    [line] = [line for line in airflow.python(LOAD).splitlines() if line.startswith("LOADED ")]
    return json.loads(line.removeprefix("LOADED "))


@pytest.fixture(scope="module")
def records(workplace: Any, definitions: ServedFeatures) -> pd.DataFrame:
    """A person's file: 1 is of long ago, 2 of the interval, 3 of its end, which is not in it any more."""
    [payments] = definitions.feature_sets
    made = generate_records(payments, 1, [str(number) for number in range(1, 101)])
    moments = [HOUR - timedelta(hours=3), HOUR - timedelta(minutes=30), HOUR]
    moments += [HOUR - timedelta(hours=4)] * (len(made) - len(moments))
    made[payments.timestamp_column] = [moment.isoformat() for moment in moments]
    made.to_csv(workplace.folder / CSV, index=False)
    return made


@pytest.fixture(scope="module")
def first_run(airflow: Airflow, workplace: Any, records: pd.DataFrame) -> str:
    """The log of the run that follows one of the hour before."""
    workplace.shell("python scripts/feast_setup.py")
    workplace.shell(f"python scripts/feast_materialize.py --until {HOUR_BEFORE.isoformat()}")
    return airflow.run(HOUR)


def stored(session: Session) -> list[Any]:
    """Everything that is stored, with the time it was written at."""
    online = session.execute(
        f"SELECT entity_key, feature_name, value, event_ts, writetime(value) FROM {ONLINE}", timeout=60
    )
    direct = session.execute(f"SELECT JSON * FROM {DIRECT}", timeout=60)
    record = session.execute(f"SELECT JSON * FROM {RECORD}", timeout=60)
    return [sorted(map(tuple, rows)) for rows in (online, direct, record)]


def test_dag_folder_imports_without_errors_or_warnings(loaded: Any) -> None:
    assert (loaded["dags"], loaded["errors"], loaded["warnings"]) == (["fraud_features"], {}, [])


def test_validation_comes_before_and_the_freshness_check_after(loaded: Any) -> None:
    assert {name: task["after"] for name, task in loaded["tasks"].items()} == {
        "validate": [],
        "materialize": ["validate"],
        "check_freshness": ["materialize"],
    }


def test_materialization_is_tried_again_with_growing_delays(loaded: Any) -> None:
    task = loaded["tasks"]["materialize"]
    assert task["retries"] == 3
    assert task["backoff"] == 2


def test_rows_that_broke_a_rule_are_not_tried_again(loaded: Any) -> None:
    assert loaded["tasks"]["validate"]["retries"] == 0


def test_every_task_has_a_timeout_shorter_than_the_schedule(loaded: Any) -> None:
    assert all(0 < task["timeout"] < 3600 for task in loaded["tasks"].values())


def test_runs_do_not_overlap_and_missed_ones_are_not_caught_up(loaded: Any) -> None:
    assert (loaded["max_active_runs"], loaded["catchup"]) == (1, False)


def test_run_materializes_up_to_the_end_of_its_data_interval(
    first_run: str, workplace: Any, records: pd.DataFrame
) -> None:
    printed = workplace.python(
        "from feast import FeatureStore\n"
        "rows = [{'transaction_id': item} for item in ('1', '2', '3')]\n"
        "answer = FeatureStore('feature_repo').get_online_features(['transaction_features:amount'], rows)\n"
        "print(answer.to_dict()['amount'])"
    ).stdout
    assert printed.splitlines()[-1] == str([*map(float, records["amount"][:2]), None])


def test_run_takes_only_what_is_new(first_run: str) -> None:
    assert "new since the last run" in first_run
    assert "1 transactions" in first_run


def test_run_ends_with_a_freshness_check_of_the_interval(first_run: str) -> None:
    assert f"✓ transaction_features materialized until: {HOUR:%Y-%m-%dT%H:%M:%S} UTC" in first_run


def test_second_run_of_an_interval_changes_nothing(
    first_run: str, airflow: Airflow, session: Session
) -> None:
    before = stored(session)
    log = airflow.run(HOUR)
    assert f"Nothing is new: materialized up to {HOUR:%Y-%m-%dT%H:%M:%S} UTC before" in log
    assert stored(session) == before


def test_batch_that_breaks_a_rule_fails_the_run_and_the_old_values_stay(
    first_run: str, airflow: Airflow, workplace: Any, session: Session, records: pd.DataFrame
) -> None:
    before = stored(session)
    bad = records.copy()
    bad.loc[4, "amount"] = -1.0
    bad.to_csv(workplace.folder / CSV, index=False)
    log = airflow.run(HOUR, check=False)
    records.to_csv(workplace.folder / CSV, index=False)
    assert "amount: below 0 in 1 row (line 6: '-1.0')" in log
    assert re.search(r"Marking run .* failed", log)
    assert stored(session) == before


def test_cassandra_that_does_not_answer_fails_the_run_and_the_old_values_stay(
    first_run: str, airflow: Airflow, session: Session
) -> None:
    before = stored(session)
    port = free_port()
    log = airflow.python(RUN_ONCE, HOUR.isoformat(), CASSANDRA_PORT=str(port))
    assert f"Cannot reach Cassandra at localhost:{port}" in log
    assert (
        "{'check_freshness': 'upstream_failed', 'materialize': 'failed', 'validate': 'success'} failed" in log
    )
    assert stored(session) == before
