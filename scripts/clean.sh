#!/usr/bin/env bash
# Stop the embedded Cassandra and remove what the scripts made: data, Cassandra's and Airflow's files,
# the environments.
# A data file that you put into data/ yourself is removed too; you are asked first.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

read -r -p "Remove .venv, .airflow-venv, .validation-venv, .warehouses-venv, .airflow, .cassandra and everything in data/? [y/N] " answer
if [ "$answer" != y ]; then echo "✗ Nothing was removed" >&2 && exit 1; fi
if [ -d .cassandra ]; then python scripts/start_cassandra.py --stop; fi
rm -rf ./*.egg-info .venv .airflow-venv .validation-venv .warehouses-venv .airflow .cassandra
find data -mindepth 1 ! -name .gitkeep -delete
echo "✓ Removed"
