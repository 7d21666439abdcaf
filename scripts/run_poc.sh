#!/usr/bin/env bash
# The whole guide in one go: install, start a Cassandra, steps 2 to 5, predictions from both servers, the
# comparison. Leaves Cassandra running and stops the servers. `make poc` calls this.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

feast_port="${FEAST_PORT:-8000}"
direct_port="${DIRECT_PORT:-8001}"
logs=data/logs
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done' EXIT

for port in "$feast_port" "$direct_port"; do
  if ! [[ "$port" =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    echo "✗ $port is no port: give FEAST_PORT and DIRECT_PORT a number from 1 to 65535, or unset them" >&2
    exit 2
  fi
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "✗ Port $port is taken: stop what is there, or FEAST_PORT=8100 DIRECT_PORT=8101 make poc" >&2
    exit 1
  fi
done

if [ "$feast_port" -eq "$direct_port" ]; then
  # The one that comes first would answer for the other, too.
  echo "✗ FEAST_PORT and DIRECT_PORT are both $feast_port: give each server a port of its own" >&2
  exit 2
fi

step() { printf '\n== %s\n' "$1"; }

serve() { # name, port, command
  mkdir -p "$logs"
  # Whatever the settings open it to otherwise: here it is asked on this machine alone.
  HOST=127.0.0.1 PORT="$2" "${@:3}" >"$logs/$1.out" 2>"$logs/$1.log" &
  servers+=($!)
}

ask() { # name, port, pid
  if ! python scripts/ask_for_prediction.py "$2" "$keys" --pid "$3"; then
    echo "✗ $1 gave no prediction; the end of $logs/$1.log:" >&2
    tail -n 5 "$logs/$1.log" >&2
    exit 1
  fi
}

step "Step 1: install the dependencies"
scripts/01_install.sh
. scripts/environment.sh

step "Step 2: initialize Feast"
scripts/02_initialize.sh

step "Step 3: materialize the features"
# Nobody is served yet: a table that holds other data than the source's may be emptied first.
scripts/03_materialize.sh --replace

step "Step 4: test feature retrieval"
scripts/04_test_retrieval.sh

step "Train the model"
python poc/train_fraud_model.py --if-none

step "Step 5: serve the model, with Feast and with direct reads"
serve serve_model_feast "$feast_port" python poc/serve_model_feast.py
serve serve_model "$direct_port" python poc/serve_model.py
keys="$(python scripts/sample_transaction.py --json)"
ask serve_model_feast "$feast_port" "${servers[0]}"
ask serve_model "$direct_port" "${servers[1]}"

step "Compare Feast with direct Cassandra reads"
scripts/06_compare.sh

step "What to try next"
cat <<'END'
Cassandra goes on running; python scripts/start_cassandra.py --stop ends it.
  . .venv/bin/activate                               first, in every shell: the commands need the environment
  make serve                                         serve predictions on http://localhost:8000
                                                     (in a browser: the console; API: /docs)
  make monitor                                       metrics and alerts, beside a running server
  python scripts/start_cassandra.py --status         the database
  data/comparison.png, data/pr_curve.png             the pictures
  feature_repo/features.py                           the features: add one (README, "Add a feature")
END
