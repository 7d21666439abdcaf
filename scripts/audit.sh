#!/usr/bin/env bash
# Write what is installed, with its versions and licences, as a CycloneDX document (data/sbom.json, or the file that
# SBOM names), and ask the package index for advisories of what requirements/hashed-poc.txt pins. Those that
# requirements/accepted-advisories.txt names, each with its day and reason, are accepted.
#
#   scripts/audit.sh         both
#   scripts/audit.sh sbom    the document alone, which asks nobody
set -euo pipefail
. "$(dirname "$0")/environment.sh"

case "${1:-both}" in
  both | sbom) ;;
  *) echo "✗ Not known: $1. scripts/audit.sh, or scripts/audit.sh sbom" >&2 && exit 2 ;;
esac
require_installed
scripts/install_apart.sh audit
sbom="${SBOM:-data/sbom.json}"
mkdir -p "$(dirname "$sbom")"
.audit-venv/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file "$sbom" "$(command -v python)"
python - "$sbom" <<'PYTHON'
import json, sys
from pathlib import Path
from poc.output import git_commit

path = Path(sys.argv[1])
document = json.loads(path.read_text())
commit = {"name": "git_commit", "value": git_commit(Path.cwd())}
document["metadata"].setdefault("properties", []).append(commit)
path.write_text(json.dumps(document, indent=2) + "\n")
PYTHON
echo "✓ What is installed, and under which licences: $sbom"
if [ "${1:-both}" = sbom ]; then exit 0; fi

accepted=()
while read -r id _; do accepted+=(--ignore-vuln "$id"); done < <(grep -v "^#" requirements/accepted-advisories.txt)
# Strict: a package of which the index knows nothing is a failure, not a pass.
if ! .audit-venv/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes \
  --requirement requirements/hashed-poc.txt "${accepted[@]}"; then
  echo "✗ Not every pinned version is without advisories: make lock with a newer one, or accept it in" \
    "requirements/accepted-advisories.txt with the reason" >&2
  exit 1
fi
echo "✓ No advisory of what is pinned, but for those accepted"
