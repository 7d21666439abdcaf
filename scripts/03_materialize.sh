#!/usr/bin/env bash
# Step 3: materialize the features into Cassandra. Takes the options of scripts/feast_materialize.py.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/feast_materialize.py "$@"
