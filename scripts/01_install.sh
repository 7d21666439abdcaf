#!/usr/bin/env bash
# Step 1: install what requirements-poc.txt names, each file held to its hash, into .venv unless a virtual
# environment is active. PYTHON names another interpreter. Does nothing where the requirements have not changed since.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

supported='import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
if [ -z "${VIRTUAL_ENV:-}" ] && [ ! -x .venv/bin/python ]; then
  for python in ${PYTHON:-python3 python3.12 python3.11 python3.10 python}; do
    if "$python" -c "$supported" 2>/dev/null; then found=$python && break; fi
  done
  if [ -z "${found:-}" ]; then
    echo "✗ This needs Python 3.10, 3.11 or 3.12 with venv, and found none. Install one, or name it: PYTHON=/path/to/python3.12" >&2
    exit 1
  fi
  "$found" -m venv .venv
fi
. scripts/environment.sh

stamp="$(python -c 'import sys; print(sys.prefix)')/.requirements-poc"
if cmp -s requirements-poc.txt "$stamp"; then
  echo "✓ Dependencies are installed"
  exit 0
fi
pip_install() { python -m pip install --quiet --disable-pip-version-check "$@"; }
# A package that is not the one that was locked ends here.
pip_install --require-hashes -r requirements/hashed-poc.txt
pip_install --no-deps --no-build-isolation -e .
cp requirements-poc.txt "$stamp"
echo "✓ Dependencies installed: $(python -c 'from importlib.metadata import version as v; print("feast==" + v("feast"))')"
