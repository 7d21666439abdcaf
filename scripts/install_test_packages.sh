#!/usr/bin/env bash
# Install what the tests need beside requirements-poc.txt: Spark in the same environment, Airflow and the clients
# of warehouses in environments of their own, and wrk, the load tool. Does nothing where it is there.
set -euo pipefail

"$(dirname "$0")/install_spark.sh"
"$(dirname "$0")/install_warehouses.sh"
"$(dirname "$0")/install_airflow.sh"

if command -v wrk >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "✗ The tests need wrk, a load tool: apt-get install wrk, or brew install wrk" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk >/dev/null
echo "✓ wrk installed"
