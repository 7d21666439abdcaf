#!/usr/bin/env bash
# Install what the tests need beside requirements-poc.txt: Spark in the same environment; Airflow, the clients of
# warehouses and Feast's validation in environments of their own; of the system's packages wrk (a load tool),
# Prometheus, Chromium and a C compiler. Does nothing where it is there.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

scripts/install_spark.sh
for name in airflow warehouses validation audit; do scripts/install_apart.sh "$name"; done

packages=(wrk prometheus chromium gcc libc6-dev)
missing=()
for command in wrk prometheus promtool chromium cc; do
  if ! command -v "$command" >/dev/null; then missing+=("$command"); fi
done
if [ "${#missing[@]}" = 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "✗ The tests need ${missing[*]}: install them, for example with apt-get install ${packages[*]}" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
echo "✓ ${missing[*]} installed"
