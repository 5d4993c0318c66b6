#!/usr/bin/env bash
# Every fault in every stage, on real processes; then simulated histories until stopped, or for SOAK_MINUTES.
#   soak.sh BUILD      rewrites the table of outcomes in docs/guarantees.md
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$(realpath "$1")
outcomes=$build/chaos-outcomes.json

failed=0
TUNESMITH_BIN=$build/bin TUNESMITH_CHAOS=full TUNESMITH_CHAOS_OUTCOMES=$outcomes \
  "$TUNESMITH_VENV/bin/python" -m pytest -v -p no:cacheprovider -o python_files='*_test.py' tests/chaos/real || failed=1
"$TUNESMITH_VENV/bin/python" tests/chaos/real/write_table.py "$outcomes" docs/guarantees.md
[ "$failed" = 0 ] || exit 1

# Histories in batches: the first that breaks a promise ends the soak, with its story.
batch=1000
for ((from = 1, SECONDS = 0; ; from += batch)); do
  "$build/bin/tunesmith-simulate" --from "$from" --count "$batch"
  if [ -n "${SOAK_MINUTES:-}" ] && ((SECONDS >= 60 * SOAK_MINUTES)); then exit 0; fi
done
