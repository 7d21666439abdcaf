# Sourced by the shell scripts: the project's folder, and the Python of its virtual environment (.venv, made by
# 01_install.sh) unless another one is active. With --help a script says what stands at its beginning, and ends.
case "${1:-}" in
  -h | --help) awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0" && exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ]; then
  PATH="$PWD/.venv/bin:$PATH"
fi

# No proxy comes between parts on one machine.
export NO_PROXY="${NO_PROXY:+$NO_PROXY,}localhost,127.0.0.1,::1"
export no_proxy="$NO_PROXY"

require_installed() {
  if ! python -c "import poc" 2>/dev/null; then
    echo "✗ Nothing is installed yet: scripts/01_install.sh" >&2
    exit 1
  fi
}
