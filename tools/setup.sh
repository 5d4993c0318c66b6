#!/usr/bin/env bash
# Installs what tunesmith needs, pinned, and says what it does. Run again, it finds everything there and ends at once.
#   setup.sh          packages, the Python folder, the Rust crates
#   setup.sh peers    also the peers for `make parity` and `make bench` (3 GB)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$TUNESMITH_ROOT"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

missing_packages() {
  local wanted
  wanted=$(grep -v '^#' tools/apt-packages.txt; rust_packages)
  for p in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || echo "$p"
  done
}

# Debian's own cargo (0.66) is too old for the tokenizers crate; its cargo-web package is not.
rust_packages() { tunesmith_cargo >/dev/null || echo cargo-web rustc-web; }

install_packages() {
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  [ -z "${missing// /}" ] && return
  [ "$(id -u)" = 0 ] || { echo "setup: these Debian packages are missing and only root can install them: $missing" >&2; exit 1; }
  say "installing Debian packages: $missing"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# make_venv DIR REQUIREMENTS PIP-FLAG...: complete or not there at all, also when two set-ups run at once.
make_venv() {
  local dir=$1 requirements=$2; shift 2
  [ -e "$dir/.complete" ] && return
  mkdir -p "$TUNESMITH_CACHE"
  exec 9>"$dir.lock"; flock 9
  [ -e "$dir/.complete" ] && return
  say "installing $(grep -cv '^#' "$requirements") Python packages of $requirements into $dir"
  rm -rf "$dir"
  /usr/bin/python3 -m venv "$dir"
  "$dir/bin/pip" install -q --disable-pip-version-check "$@" -r "$requirements"
  touch "$dir/.complete"
}

fetch_crates() {
  local cargo
  cargo=$(tunesmith_cargo)
  export RUSTC="${cargo%/*}/rustc"
  (cd gpu/text && "$cargo" fetch -q --locked --offline 2>/dev/null) && return
  say "fetching the Rust crates of gpu/text"
  (cd gpu/text && "$cargo" fetch -q --locked)
}

install_packages
make_venv "$TUNESMITH_VENV" tools/requirements.txt --no-deps
fetch_crates
if [ "${1:-}" = peers ]; then make_venv "$TUNESMITH_PEERS_VENV" tools/requirements-peers.txt; fi
