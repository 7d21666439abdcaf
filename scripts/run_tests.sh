#!/usr/bin/env bash
# Run all tests: first those that watch the clock, alone; then the others, TEST_WORKERS (3) side by side, and beside them
# the guide on the other Pythons. What is named after it goes to pytest, which then runs once:
#
#   scripts/run_tests.sh tests/unit -k rates
set -euo pipefail
. "$(dirname "$0")/environment.sh"

# Tests wait more than they compute: one worker more than the two cores of the smallest machine.
shared=(-n "${TEST_WORKERS:-3}" --no-loadscope-reorder --durations 10)
if [ "$#" != 0 ]; then exec python -m pytest "${shared[@]}" "$@"; fi

failed=0
python -m pytest -m alone || failed=1
scripts/test_pythons.sh &
pythons=$!
python -m pytest "${shared[@]}" -m "not alone" || failed=1
wait "$pythons" || failed=1
exit "$failed"
