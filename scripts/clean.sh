#!/usr/bin/env bash
# Stop the embedded Cassandra and remove what the scripts made: data, Cassandra's and Airflow's files, caches,
# the environments. A data file that you put into data/ yourself is removed too; you are asked first, unless
# CONFIRM=y says it. Where data is a link, so is what is in the folder that it leads to; link and folder stay.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

environments=(.airflow-venv .audit-venv .mutants-venv .validation-venv .warehouses-venv .venv)
caches=(.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build mutants)
# What a link leads to is named before it is emptied.
linked=""
for name in data .cassandra .airflow; do
  if [ -L "$name" ] && [ -d "$name" ]; then linked+=" ($name is $(cd "$name" && pwd -P))"; fi
done
answer="${CONFIRM:-}"
if [ -z "$answer" ]; then
  read -r -p "Remove ${environments[*]}, .airflow, .cassandra and everything in data/$linked? [y/N] " answer || true
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
for name in data .cassandra .airflow; do
  if [ -d "$name" ]; then find -H "$name" -mindepth 1 ! -path data/.gitkeep -delete; fi
done
rm -rf .cassandra .airflow "${caches[@]}" ./*.egg-info "${environments[@]}"
echo "✓ Removed$linked"
