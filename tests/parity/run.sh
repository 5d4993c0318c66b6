#!/usr/bin/env bash
# The engine beside the live peers (transformers, peft, bitsandbytes): run.sh BUILD. `make parity` installs what it needs.
#   1. golden files made anew by the peers of this machine, and the parity suites on them
#   2. SmolLM2-135M-Instruct: logits, ten training steps (lora and qlora), text, our adapter in peft
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/env.sh
source examples/demo/model.sh
bin="$(realpath "${1:-build/release}")/bin"
python="$TUNESMITH_PEERS_VENV/bin/python"

# Threads that wait without spinning: the peers stay usable on a machine that does other work.
export OMP_WAIT_POLICY=PASSIVE

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

echo "==> golden files from the live peers"
"$python" -W ignore tests/parity/make_golden.py "$work/golden" 2>"$work/log" || { cat "$work/log"; exit 1; }
diff "$work/golden/versions.json" tests/parity/golden/versions.json >/dev/null ||
  echo "note: the committed golden files were made by other versions"
for suite in nf4 decoder engine; do
  echo "==> ${suite}_parity_test on them"
  TUNESMITH_GOLDEN_DIR="$work/golden" "$bin/${suite}_parity_test" --gtest_brief=1 || status=1
done

echo "==> SmolLM2-135M-Instruct"
"$python" -W ignore tests/parity/live.py "$bin/tunesmith-engine" "$(demo_model)" 2>"$work/log" ||
  { status=1; grep -v -e 'Loading weights' -e 'Writing model' "$work/log" || true; }
exit $status
