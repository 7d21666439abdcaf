# Sourced by the shell scripts: the project's folder, and the Python of its virtual environment (.venv, made by
# 01_install.sh) unless another one is active. With --help a script says what stands at its beginning, and ends.
case "${1:-}" in
  -h | --help) awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0" && exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Without its pyvenv.cfg a folder's Python is the system's, and fills that.
is_of() { # python, environment
  "$1" -c 'import os, sys; sys.exit(not os.path.samefile(sys.prefix, sys.argv[1]))' "$2" 2>/dev/null
}

# Its programs name the folder that it was made in: moved, it has none that starts; copied, those of the original.
is_in_place() { # environment
  local folder
  folder="$(cd "$1" && pwd -P)"
  grep -qsF -e "#!$folder/" -e "=$folder" -e "'$folder" -e "\"$folder" "$1"/bin/*
}

same() { # two files; without cmp, which not every machine has
  [ -f "$2" ] && [ "$(<"$1")" = "$(<"$2")" ]
}

# VIRTUAL_ENV outlives its folder, and comes without a PATH through sudo -E and into tmux.
if [ "${VIRTUAL_ENV:-}" -ef .venv ]; then
  unset VIRTUAL_ENV
elif [ -n "${VIRTUAL_ENV:-}" ] && ! is_of "$VIRTUAL_ENV/bin/python" "$VIRTUAL_ENV"; then
  echo "! VIRTUAL_ENV names $VIRTUAL_ENV, where no Python of its own starts: .venv is used" >&2
  unset VIRTUAL_ENV
fi
environment="${VIRTUAL_ENV:-$PWD/.venv}"
if ! is_of python "$environment" && is_of "$environment/bin/python" "$environment"; then
  PATH="$environment/bin:$PATH"
fi

# No proxy comes between parts on one machine.
export NO_PROXY="${NO_PROXY:+$NO_PROXY,}localhost,127.0.0.1,::1"
export no_proxy="$NO_PROXY"

# Whether a Python has what the scripts import and, with a folder, whether `poc` is the one of that folder. Asked from
# where they are: Python looks there, and not in the project's folder.
has_installed() { # python, folder or nothing
  (cd scripts && "$1" -c 'import os, sys, poc; from importlib.metadata import version; version("feast")
sys.exit(bool(sys.argv[1]) and not os.path.samefile(poc.__path__[0], sys.argv[1] + "/poc"))' "$2" 2>/dev/null)
}

require_installed() {
  # A person's own environment may hold another checkout; where there is a .venv, no other Python is meant.
  local own=""
  if [ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ]; then own="$PWD"; fi
  if ! has_installed python "$own" || { [ -n "$own" ] && ! is_of python .venv; }; then
    echo "✗ Nothing is installed yet, or not for this folder and its Python: scripts/01_install.sh" >&2
    exit 1
  fi
}
