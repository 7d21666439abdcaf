#!/usr/bin/env bash
# Stop the embedded Cassandra and remove what the scripts made: data, Cassandra's and Airflow's files, caches,
# the environments. A data file that you put into data/ yourself is removed too; you are asked first, unless
# CONFIRM=y says it.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

environments=(.airflow-venv .audit-venv .mutants-venv .validation-venv .warehouses-venv .venv)
caches=(.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build mutants)
answer="${CONFIRM:-}"
if [ -z "$answer" ]; then
  read -r -p "Remove ${environments[*]}, .airflow, .cassandra and everything in data/? [y/N] " answer || true
fi
if [ "$answer" != y ]; then
  echo "✗ Nothing was removed. Without being asked: CONFIRM=y make clean" >&2
  exit 1
fi
# What is needed to stop Cassandra goes last: an interrupted run can be repeated.
if [ -d .cassandra ]; then
  require_installed
  python scripts/start_cassandra.py --stop
fi
rm -rf .cassandra .airflow "${caches[@]}"
find data -mindepth 1 ! -name .gitkeep -delete
rm -rf ./*.egg-info "${environments[@]}"
echo "✓ Removed"
