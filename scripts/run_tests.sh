#!/usr/bin/env bash
# Run all tests: first those that watch the clock, two files at a time; then the others, TEST_WORKERS (3) side by side,
# and beside them the guide on the other Pythons. Up to five tests that fail of either are run once more, alone, with all
# of their files, for a machine with too much to do may be the reason: those that pass then are named. What is named
# after this script goes to pytest, which then runs once:
#
#   scripts/run_tests.sh tests/unit -k rates
set -euo pipefail
. "$(dirname "$0")/environment.sh"

# Tests wait more than they compute: one worker more than the two cores of the smallest machine.
shared=(-n "${TEST_WORKERS:-3}" --no-loadscope-reorder --durations 10)
if [ "$#" != 0 ]; then exec python -m pytest "${shared[@]}" "$@"; fi

once_more() { # exit status of the run before, which tests
  # 1: tests failed, and nothing else did.
  if [ "$1" != 1 ]; then return "$1"; fi
  local names files
  names=$(python -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")')
  if [ "$(wc -l <<<"$names")" -gt 5 ]; then return 1; fi
  # Whole files: a step of the guide needs those before it.
  read -r -d "" -a files < <(cut -d: -f1 <<<"$names" | sort -u) || true
  python -m pytest -m "$2" "${files[@]}" || return
  printf '! Failed at first, passed alone:\n%s\n' "$names"
}

failed=0
# They wait for most of their time. In processes beside: a crash of a driver written in C is one failed test, and not the
# end of all.
python -m pytest -n 2 --no-loadscope-reorder --cache-clear --durations 10 -m alone || once_more "$?" alone || failed=1
scripts/test_pythons.sh &
pythons=$!
beside=0
python -m pytest --cache-clear "${shared[@]}" -m "not alone" || beside=$?
wait "$pythons" || failed=1
if [ "$beside" != 0 ]; then once_more "$beside" "not alone" || failed=1; fi
exit "$failed"
