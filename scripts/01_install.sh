#!/usr/bin/env bash
# Step 1: install what requirements-poc.txt names, each file held to its hash, into .venv unless a virtual
# environment is active. PYTHON names another interpreter. Does nothing where the requirements have not changed since.
# A .venv that was moved or copied, or has lost its Python, is made anew.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

fits='import sys, sysconfig, pathlib; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12)'
if [ -n "${VIRTUAL_ENV:-}" ]; then
  if ! "$VIRTUAL_ENV/bin/python" -c "$fits)"; then
    echo "✗ This needs Python 3.10, 3.11 or 3.12, and the environment that is active has another: deactivate" >&2
    exit 1
  fi
# After an upgrade of the system its Python may be a newer one, which does not see what was installed for the old one.
elif ! is_of .venv/bin/python .venv || ! is_in_place .venv ||
  ! .venv/bin/python -c "$fits or not pathlib.Path(sysconfig.get_path('purelib')).is_dir())"; then
  # What is to be removed makes nothing.
  PATH=${PATH//"$PWD/.venv/bin:"/}
  for python in ${PYTHON:-python3 python3.12 python3.11 python3.10 python}; do
    if "$python" -c "import venv, ensurepip; $fits)" 2>/dev/null; then found=$python && break; fi
  done
  if [ -z "${found:-}" ]; then
    echo "✗ This needs Python 3.10, 3.11 or 3.12 with venv, and found none. Install one, or name it: PYTHON=/path/to/python3.12" >&2
    exit 1
  fi
  "$found" -m venv --clear .venv
fi

# Whatever PATH has: it may lead to the system's.
python="$environment/bin/python"
stamp="$environment/.requirements-poc"
if same requirements-poc.txt "$stamp" && has_installed "$python" "$PWD"; then
  echo "✓ Dependencies are installed"
  exit 0
fi
pip_install() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }
# uv makes environments without pip.
"$python" -c "import pip" 2>/dev/null || "$python" -m ensurepip >/dev/null
echo "Installing what requirements-poc.txt names: the first time takes minutes"
# A package that is not the one that was locked ends here.
pip_install --require-hashes -r requirements/hashed-poc.txt
pip_install --no-deps --no-build-isolation -e .
cp requirements-poc.txt "$stamp"
echo "✓ Dependencies installed: $("$python" -c 'from importlib.metadata import version as v; print("feast==" + v("feast"))')"
