#!/usr/bin/env bash
# Stop the embedded Cassandra and remove what the scripts made: data, Cassandra's and Airflow's files,
# the environments.
# A data file that you put into data/ yourself is removed too; you are asked first.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

read -r -p "Remove .venv, .airflow-venv, .validation-venv, .warehouses-venv, .airflow, .cassandra and everything in data/? [y/N] " answer
[ "$answer" = y ] || exit 1
if [ -d .cassandra ]; then python scripts/start_cassandra.py --stop; fi
rm -rf .venv .airflow-venv .validation-venv .warehouses-venv .airflow .cassandra
find data -mindepth 1 ! -name .gitkeep -delete
echo "✓ Removed"
