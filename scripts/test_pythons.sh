#!/usr/bin/env bash
# Run `make poc`, which is the whole guide, and the unit tests of what differs most between Pythons on the supported
# ones beside the environment's own, as far as they are at hand: each in a clone of what is committed, with an
# environment of its own. Says which it ran.
#
#   scripts/test_pythons.sh        all of them
#   scripts/test_pythons.sh 3.12   these
set -euo pipefail
. "$(dirname "$0")/environment.sh"

project="$PWD"
folder="$(mktemp -d)"
end() {
  for clone in "$folder"/*/.cassandra; do
    if [ -d "$clone" ]; then CASSANDRA_DIR="$clone" python scripts/start_cassandra.py --stop; fi
  done
  rm -rf "$folder"
}
trap end EXIT

version_of() { "$1" -c "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])" 2>/dev/null || true; }

find_python() { # version
  for python in "$HOME/.pyenv/versions/$1".*/bin/python "python$1"; do
    if [ "$(version_of "$python")" = "$1" ]; then echo "$python" && return; fi
  done
}

free_ports() {
  python -c "import socket; held = [socket.create_server(('127.0.0.1', 0)) for _ in range(3)]
print(*(server.getsockname()[1] for server in held))"
}

check() ( # version, python
  set -euo pipefail
  cd "$folder"
  git clone --quiet "$project" "$1"
  cd "$1"
  uv venv --quiet --seed --python "$2" .venv
  uv pip install --quiet --python .venv/bin/python -r requirements-poc.txt -r requirements/spark.txt
  cp requirements-poc.txt .venv/.requirements-poc
  read -r CASSANDRA_PORT FEAST_PORT DIRECT_PORT <<<"$(free_ports)"
  export CASSANDRA_PORT FEAST_PORT DIRECT_PORT
  unset VIRTUAL_ENV
  make poc 2>&1 | tee poc.log
  if grep "Warning" poc.log; then echo "✗ make poc shows warnings of other packages" && exit 1; fi
  . .venv/bin/activate
  export TEST_CASSANDRA="127.0.0.1:$CASSANDRA_PORT"
  # What is locked, and what bash does, is the same with each Python.
  python -m pytest -q tests/unit/dataset tests/unit/materialization tests/unit/test_*.py \
    --deselect tests/unit/test_requirements.py --deselect tests/unit/test_shell_scripts.py
  python scripts/start_cassandra.py --stop
)

if [ -n "$(git status --porcelain)" ]; then echo "What is not committed is not run"; fi
if [ "$#" = 0 ]; then set -- 3.10 3.11 3.12; fi
failed=0
for version in "$@"; do
  python="$(find_python "$version")"
  if [ "$version" = "$(version_of python)" ]; then echo "✓ Python $version: the environment's own" && continue; fi
  if [ -z "$python" ]; then echo "Python $version: not here, not run" && continue; fi
  # Not as a condition: a shell goes on after an error inside of one.
  check "$version" "$python" >"$folder/$version.log" 2>&1 &
  if wait "$!"; then
    echo "✓ Python $version: make poc and the unit tests pass"
  else
    tail -n 40 "$folder/$version.log" >&2
    echo "✗ Python $version: the end of what it said is above" >&2
    failed=1
  fi
done
exit "$failed"
