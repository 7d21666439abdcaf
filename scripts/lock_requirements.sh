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

echo "-e .[dev,fast]" | compile - --output-file requirements-poc.txt "$@"
readable requirements-poc.txt
grep -v "^-e" requirements-poc.txt |
  compile pyproject.toml --extra fast --constraint - --generate-hashes --output-file requirements/hashed.txt
readable requirements/hashed.txt
# What 01_install.sh installs: all of requirements-poc.txt, and what builds the project itself.
{ grep -v "^-e" requirements-poc.txt && echo setuptools; } |
  compile - --generate-hashes --output-file requirements/hashed-poc.txt
readable requirements/hashed-poc.txt
# Spark is installed beside the rest; the warehouses' clients refuse some of its versions.
echo "-e .[spark]" |
  compile - --constraint <(grep -v "^-e" requirements-poc.txt) --output-file requirements/spark.txt "$@"
readable requirements/spark.txt
echo "-e .[validation,fast]" | compile - --output-file requirements/validation.txt "$@"
readable requirements/validation.txt
echo "-e .[warehouses,fast]" | compile - --output-file requirements/warehouses.txt "$@"
readable requirements/warehouses.txt
printf '%s\n' cyclonedx-bom pip-audit | compile - --output-file requirements/audit.txt "$@"
readable requirements/audit.txt
compile deploy/airflow/requirements.in --output-file requirements/airflow.txt "$@"
readable requirements/airflow.txt
