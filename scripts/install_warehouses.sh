#!/usr/bin/env bash
# Install the clients of BigQuery, Snowflake and Redshift into .warehouses-venv, an environment of its own:
# they refuse versions that the project's has. Does nothing where requirements-warehouses.txt has not changed since.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

stamp=.warehouses-venv/.requirements-warehouses
if cmp -s requirements-warehouses.txt "$stamp"; then exit 0; fi
rm -rf .warehouses-venv
uv venv --quiet --python "$(command -v python)" .warehouses-venv
uv pip install --quiet --python .warehouses-venv/bin/python -r requirements-warehouses.txt
cp requirements-warehouses.txt "$stamp"
echo "✓ The warehouses' clients installed in .warehouses-venv"
