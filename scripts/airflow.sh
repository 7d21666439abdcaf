#!/usr/bin/env bash
# Airflow's own command with this project's DAGs, installed where it is not yet; its files are in .airflow.
#   scripts/airflow.sh dags test fraud_features   one run, now
#   scripts/airflow.sh dags list-import-errors    whether the DAG folder can be read
set -euo pipefail
. "$(dirname "$0")/environment.sh"

scripts/install_apart.sh airflow
export AIRFLOW_HOME="${AIRFLOW_HOME:-$PWD/.airflow}"
export AIRFLOW__CORE__DAGS_FOLDER="${AIRFLOW__CORE__DAGS_FOLDER:-$PWD/deploy/airflow/dags}"
export AIRFLOW__CORE__LOAD_EXAMPLES="${AIRFLOW__CORE__LOAD_EXAMPLES:-False}"
export FEAST_POC_PYTHON="${FEAST_POC_PYTHON:-$(command -v python)}"
export PATH="$PWD/.airflow-venv/bin:$PATH"
# The database is made at first, and brought to a newly installed version.
if [ ! "$AIRFLOW_HOME/airflow.db" -nt .airflow-venv/.requirements-airflow ]; then
  airflow db migrate >&2
fi
exec airflow "$@"
