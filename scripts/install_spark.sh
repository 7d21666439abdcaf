#!/usr/bin/env bash
# Install Spark beside the rest of the project's environment. Does nothing where requirements/spark.txt has
# not changed since.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

require_installed
stamp="$(python -c 'import sys; print(sys.prefix)')/.requirements-spark"
# The stamp stays where the environment's Python became another one.
if same requirements/spark.txt "$stamp" && python -c 'from importlib.metadata import version; version("pyspark")' 2>/dev/null; then
  exit 0
fi
uv pip install --quiet --python "$(command -v python)" -r requirements/spark.txt
cp requirements/spark.txt "$stamp"
echo "✓ Spark installed: $(python -c 'from importlib.metadata import version as v; print("pyspark==" + v("pyspark"))')"
