#!/usr/bin/env bash
# Install requirements/NAME.txt into .NAME-venv, an environment of its own, for what refuses versions that the
# project's has. Does nothing where the file has not changed since. NAMEs: airflow, warehouses (the clients of
# BigQuery, Snowflake and Redshift), validation (`feast validate`), audit (scripts/audit.sh), mutants (`make mutants`).
#
#   scripts/install_apart.sh airflow
set -euo pipefail
. "$(dirname "$0")/environment.sh"

case "${1:-}" in
  airflow | warehouses | validation | audit | mutants) name="$1" ;;
  *) echo "✗ Name what to install: scripts/install_apart.sh airflow, warehouses, validation, audit or mutants" >&2 && exit 2 ;;
esac
requirements="requirements/$name.txt"
stamp=".$name-venv/.requirements-$name"
if cmp -s "$requirements" "$stamp"; then exit 0; fi
rm -rf ".$name-venv"
uv venv --quiet --python "$(command -v python)" ".$name-venv"
uv pip install --quiet --python ".$name-venv/bin/python" -r "$requirements"
cp "$requirements" "$stamp"
echo "✓ $requirements installed in .$name-venv"
