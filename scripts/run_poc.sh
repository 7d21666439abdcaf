#!/usr/bin/env bash
# The whole guide in one go: install, start a Cassandra, steps 2 to 5, predictions from both servers, the
# comparison. Leaves Cassandra running and stops the servers. `make poc` calls this.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

feast_url="http://127.0.0.1:${FEAST_PORT:-8000}"
direct_url="http://127.0.0.1:${DIRECT_PORT:-8001}"
logs=data/logs
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done' EXIT

for url in "$feast_url" "$direct_url"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/${url##*:}") 2>/dev/null; then
    echo "✗ Port ${url##*:} is taken: stop what is there, or FEAST_PORT=8100 DIRECT_PORT=8101 make poc" >&2
    exit 1
  fi
done

step() { printf '\n== %s\n' "$1"; }

serve() { # name, port, command
  mkdir -p "$logs"
  PORT="$2" "${@:3}" >"$logs/$1.out" 2>"$logs/$1.log" &
  servers+=($!)
}

ready() { # name, url, pid
  for _ in $(seq 120); do
    if ! kill -0 "$3" 2>/dev/null; then break; fi
    if curl -sf "$2/ready" >/dev/null; then echo "✓ $1 answers at $2" && return; fi
    sleep 0.5
  done
  echo "✗ $1 did not become ready; the end of $logs/$1.log:" >&2
  tail -n 5 "$logs/$1.log" >&2
  exit 1
}

ask() { # url
  echo "\$ curl -X POST $1/predict -H 'Content-Type: application/json' -d '$keys'"
  curl -sf -X POST "$1/predict" -H 'Content-Type: application/json' -d "$keys"
  echo
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
serve serve_model_feast "${feast_url##*:}" python poc/serve_model_feast.py
serve serve_model "${direct_url##*:}" python poc/serve_model.py
ready serve_model_feast "$feast_url" "${servers[0]}"
ready serve_model "$direct_url" "${servers[1]}"
keys="$(python scripts/sample_transaction.py --json)"
ask "$feast_url"
ask "$direct_url"

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
