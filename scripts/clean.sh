#!/usr/bin/env bash
# Stop the embedded Cassandra and remove what the scripts made: data, Cassandra's files, the environment.
# A data file that you put into data/ yourself is removed too; you are asked first.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

read -r -p "Remove .venv, .cassandra and everything in data/? [y/N] " answer
[ "$answer" = y ] || exit 1
if [ -d .cassandra ]; then python scripts/start_cassandra.py --stop; fi
rm -rf .venv .cassandra
find data -mindepth 1 ! -name .gitkeep -delete
echo "✓ Removed"
