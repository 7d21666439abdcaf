#!/usr/bin/env bash
# Compare Feast with direct Cassandra reads.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/compare_feast_cassandra.py "$@"
