#!/usr/bin/env bash
# Install Airflow into .airflow-venv, an environment of its own: it cannot share one with feast 0.38. Does
# nothing where requirements-airflow.txt has not changed since.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

stamp=.airflow-venv/.requirements-airflow
if cmp -s requirements-airflow.txt "$stamp"; then exit 0; fi
rm -rf .airflow-venv
uv venv --quiet --python "$(command -v python)" .airflow-venv
uv pip install --quiet --python .airflow-venv/bin/python -r requirements-airflow.txt
cp requirements-airflow.txt "$stamp"
echo "✓ Airflow installed: $(.airflow-venv/bin/python -c 'from importlib.metadata import version as v; print("apache-airflow==" + v("apache-airflow"))')"
