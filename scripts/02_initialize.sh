#!/usr/bin/env bash
# Step 2: initialize Feast, on a Cassandra that is started where none answers.
# Takes the options of scripts/feast_setup.py.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/start_cassandra.py
python scripts/feast_setup.py "$@"
