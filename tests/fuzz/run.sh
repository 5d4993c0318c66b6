#!/usr/bin/env bash
# Fuzzes every target for a while. usage: run.sh BUILD SECONDS [TARGET…]     new inputs collect in BUILD/fuzz/corpus, findings in BUILD/fuzz/findings
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1 seconds=$2; shift 2
[ $# -gt 0 ] || set -- manifest training_config event docker_config image_reference url_guard
export ASAN_OPTIONS=quarantine_size_mb=16
failures=0
mkdir -p "$build/fuzz/findings"
for target in "$@"; do
  collected=$build/fuzz/corpus/$target log=$build/fuzz/$target.log
  mkdir -p "$collected"
  dictionary=(); [ -f "tests/fuzz/dictionaries/$target.dict" ] && dictionary=("-dict=tests/fuzz/dictionaries/$target.dict")
  if "$build/fuzz/bin/fuzz_$target" "-max_total_time=$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 "${dictionary[@]}" \
    "-artifact_prefix=$build/fuzz/findings/$target-" "$collected" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    echo "ok   $target: $(grep -a -oP 'number_of_executed_units: \K\d+' "$log") runs, $(find "$collected" -type f | wc -l) inputs collected"
  else
    echo "FAIL $target"; grep -a -E 'what\(\)|SUMMARY|Test unit written' "$log"; failures=$((failures + 1))
  fi
done
exit $((failures > 0))
