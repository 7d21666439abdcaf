#!/usr/bin/env bash
# Step 4: read features back through Feast.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/test_feast.py "$@"
