#!/usr/bin/env bash
# Step 4: read features back through Feast. Takes the options of scripts/test_feast.py.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/test_feast.py "$@"
