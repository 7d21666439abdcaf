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
apart=".$name-venv"
stamp="$apart/.requirements-$name"
if same "$requirements" "$stamp" && is_of "$apart/bin/python" "$apart" && is_in_place "$apart"; then exit 0; fi
require_installed
rm -rf "$apart"
uv venv --quiet --python "$(command -v python)" "$apart"
uv pip install --quiet --python "$apart/bin/python" -r "$requirements"
cp "$requirements" "$stamp"
echo "✓ $requirements installed in $apart"
