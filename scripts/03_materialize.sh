#!/usr/bin/env bash
# Step 3: materialize the features into Cassandra.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/feast_materialize.py "$@"
