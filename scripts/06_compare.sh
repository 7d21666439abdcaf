#!/usr/bin/env bash
# Compare Feast with direct Cassandra reads. Takes the options of scripts/compare_feast_cassandra.py.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python scripts/compare_feast_cassandra.py "$@"
