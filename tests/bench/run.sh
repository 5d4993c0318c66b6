#!/usr/bin/env bash
# The engine against its peer on this machine: run.sh BUILD [--write] [--rounds N] [--steps N] [--settings LIST].
# --write puts the table into docs/benchmarks/engine-cpu.md. A machine that does other work gives numbers that mean little.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/env.sh
source examples/demo/model.sh
build=$(realpath "${1:-build/release}")
shift || true
arguments=()
for argument in "$@"; do
  if [ "$argument" = --write ]; then arguments+=(--write docs/benchmarks/engine-cpu.md); else arguments+=("$argument"); fi
done
python="$TUNESMITH_PEERS_VENV/bin/python"
"$python" tests/bench/bench.py "$build/bin" "$(demo_model)" "$python" "${arguments[@]}"

echo "| service | memory, idle | processor, idle | start |"
echo "|---|---|---|---|"
TUNESMITH_BIN="$build/bin" "$TUNESMITH_VENV/bin/python" -m pytest -q -s -p no:cacheprovider -o python_files='*_test.py' \
  tests/e2e/idle_test.py | grep '^|'
