#!/usr/bin/env bash
# build.sh OUTPUT: builds the Rust crate and copies the archive to OUTPUT. Called by CMake.
# The target folder is shared by all build folders and clones that have the same Cargo.lock (the crates take a minute);
# the lock is held until the archive is copied, because another clone's build would put its own in the same place.
set -euo pipefail
output=$1
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../../tools/env.sh
cargo=$(tunesmith_cargo) || { echo "build.sh: no cargo >= 1.85 found: run tools/setup.sh" >&2; exit 1; }
export RUSTC="${cargo%/*}/rustc"
export CARGO_TARGET_DIR="$TUNESMITH_CACHE/cargo-target-$(tunesmith_key Cargo.lock Cargo.toml)"
mkdir -p "$CARGO_TARGET_DIR"
exec 9>"$CARGO_TARGET_DIR/.lock"
flock 9
"$cargo" build --release --locked --offline --quiet
cp "$CARGO_TARGET_DIR/release/libtunesmith_text.a" "$output.new"
mv "$output.new" "$output"
