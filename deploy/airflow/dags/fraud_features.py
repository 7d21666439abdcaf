"""The online features, brought up to date every hour: validate, materialize, check that they are fresh.

Each task runs a script of the project with the project's own Python, because Airflow 3 and feast 0.38
cannot share an environment. To be set for the DAG processor and the workers:

    FEAST_POC_HOME     the project's folder; the one that this file lies in when not set
    FEAST_POC_PYTHON   its Python; .venv/bin/python in that folder when not set

A run materializes what is new before the end of its data interval. An interval that was done is left
alone, and an interval that was missed is made good by the next run, so there is nothing to catch up.
"""

import os
import shlex
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

HOME = os.environ.get("FEAST_POC_HOME", str(Path(__file__, "../../../..").resolve()))
PYTHON = os.environ.get("FEAST_POC_PYTHON", f"{HOME}/.venv/bin/python")


def script(name: str, *arguments: str) -> str:
    """Give the command that runs one of the project's scripts; its exit status is the task's."""
    return shlex.join(["exec", PYTHON, f"scripts/{name}", *arguments])


@dag(
    # Not "@hourly": in Airflow 3 its runs have data intervals of no length.
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(minutes=15),
    },
    tags=["feast", "fraud"],
    doc_md=__doc__,
)
def fraud_features() -> None:
    """Bring the online features up to date for one interval."""
    # Not @task.external_python: past its execution timeout it waits for its Python to end by itself, and
    # it could not run the scripts as they are, because they leave by os._exit. @task.bash ends the whole
    # process group, and with it the materialization's lock.

    # Rows that break a rule break it again a minute later.
    @task.bash(cwd=HOME, retries=0)
    def validate() -> str:
        return script("validate_features.py")

    @task.bash(cwd=HOME)
    def materialize(dag_run: Any = None) -> str:
        # A run that was triggered without a logical date has no data interval.
        until = dag_run.data_interval_end or dag_run.run_after
        return script("feast_materialize.py", "--until", until.isoformat())

    @task.bash(cwd=HOME)
    def check_freshness() -> str:
        return script("check_freshness.py", "--max-age", "2h")

    validate() >> materialize() >> check_freshness()


fraud_features()
