#!/usr/bin/env bash
# Install Spark beside the rest of the project's environment. Does nothing where requirements/spark.txt has
# not changed since.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

stamp="$(python -c 'import sys; print(sys.prefix)')/.requirements-spark"
if cmp -s requirements/spark.txt "$stamp"; then exit 0; fi
uv pip install --quiet --python "$(command -v python)" -r requirements/spark.txt
cp requirements/spark.txt "$stamp"
echo "✓ Spark installed: $(python -c 'from importlib.metadata import version as v; print("pyspark==" + v("pyspark"))')"
