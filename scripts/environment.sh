# Sourced by the numbered scripts: the project's folder, and the Python of its virtual environment
# (.venv, made by 01_install.sh) unless another one is active.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ]; then
  PATH="$PWD/.venv/bin:$PATH"
fi

require_installed() {
  if ! python -c "import poc" 2>/dev/null; then
    echo "✗ Nothing is installed yet: scripts/01_install.sh" >&2
    exit 1
  fi
}
