#!/usr/bin/env bash
# Compile the requirements files from pyproject.toml, and Airflow's from deploy/airflow; pins that still fit
# stay. For a newer version of everything: scripts/lock_requirements.sh --upgrade
set -euo pipefail
. "$(dirname "$0")/environment.sh"

compile() {
  uv pip compile --quiet --universal --python-version 3.10 --no-annotate --custom-compile-command "make lock" "$@"
}

# Every line repeats the conditions of [tool.uv] in pyproject.toml, which hold wherever this installs.
readable() {
  local mac="platform_machine == 'arm64' and platform_python_implementation == 'CPython' and sys_platform == 'darwin'"
  local linux="platform_python_implementation == 'CPython' and sys_platform == 'linux'"
  sed -i -E "s/ and \(\($mac\) or \($linux\)\)//
             s/ ; python_full_version < '3.13'( \\\\)?\$/\1/; s/ and python_full_version < '3.13'//" "$1"
}

# Write a file by what `uv pip compile` takes.
lock() {
  compile "${@:2}" --output-file "$1"
  readable "$1"
}

pins() {
  grep -v "^-e" requirements-poc.txt
}

echo "-e .[dev,fast]" | lock requirements-poc.txt - "$@"
# The rest follow from it, each by itself: most of the time is spent waiting for the index.
jobs=()
{ pins | lock requirements/hashed.txt pyproject.toml --extra fast --constraint - --generate-hashes; } & jobs+=($!)
# What 01_install.sh installs: all of requirements-poc.txt, and what builds the project itself.
{ { pins && echo setuptools; } | lock requirements/hashed-poc.txt - --generate-hashes; } & jobs+=($!)
# Spark is installed beside the rest; the warehouses' clients refuse some of its versions.
{ echo "-e .[spark]" | lock requirements/spark.txt - --constraint <(pins) "$@"; } & jobs+=($!)
{ echo "-e .[validation,fast]" | lock requirements/validation.txt - "$@"; } & jobs+=($!)
{ echo "-e .[warehouses,fast]" | lock requirements/warehouses.txt - "$@"; } & jobs+=($!)
{ printf '%s\n' cyclonedx-bom pip-audit | lock requirements/audit.txt - "$@"; } & jobs+=($!)
{ echo mutmut | lock requirements/mutants.txt - --constraint <(pins) "$@"; } & jobs+=($!)
lock requirements/airflow.txt deploy/airflow/requirements.in "$@" & jobs+=($!)
for job in "${jobs[@]}"; do
  wait "$job"
done
