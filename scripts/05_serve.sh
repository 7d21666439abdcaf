#!/usr/bin/env bash
# Step 5: serve the model with Feast; train one first where there is none.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
require_installed

python poc/train_fraud_model.py --if-none
exec python poc/serve_model_feast.py
