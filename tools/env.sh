# Where everything that is not source lives. Sourced by the other scripts and by the Makefile's recipes.
#   TUNESMITH_CACHE   heavy artefacts outside the tree, keyed by version: a second clone is quick
#   TUNESMITH_SITE    the Python site-packages that holds libtorch, pyarrow's libparquet, buf and nats-server 2.15
TUNESMITH_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export TUNESMITH_ROOT
export TUNESMITH_CACHE="${TUNESMITH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tunesmith}"

# A folder's name ends in a hash of what defines its content, so a changed pin makes a new folder.
tunesmith_key() { cat "$@" | sha256sum | cut -c1-12; }

# A cargo that runs and is new enough: the one on the PATH, else Debian's cargo-web. A rustup shim without a toolchain
# (HOME is another than the installer's) is first on the PATH and does not run.
tunesmith_cargo() {
  local candidate version
  for candidate in cargo /usr/bin/cargo; do
    version=$("$candidate" --version 2>/dev/null | awk '{print $2}') || continue
    if printf '1.85.0\n%s\n' "${version:-0}" | sort -V -C; then command -v "$candidate"; return 0; fi
  done
  return 1
}

TUNESMITH_VENV="$TUNESMITH_CACHE/venv-$(tunesmith_key "$TUNESMITH_ROOT/tools/requirements.txt")"
TUNESMITH_PEERS_VENV="$TUNESMITH_CACHE/peers-$(tunesmith_key "$TUNESMITH_ROOT/tools/requirements-peers.txt")"
export TUNESMITH_VENV TUNESMITH_PEERS_VENV
export TUNESMITH_SITE="$TUNESMITH_VENV/lib/python3.11/site-packages"
export CCACHE_DIR="${CCACHE_DIR:-$TUNESMITH_CACHE/ccache}"
# A PCH is only cached when ccache may ignore the time stamps in it.
export CCACHE_SLOPPINESS="pch_defines,time_macros,include_file_mtime,include_file_ctime"
export CCACHE_BASEDIR="$TUNESMITH_ROOT" CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=4G
