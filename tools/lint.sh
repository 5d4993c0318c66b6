#!/usr/bin/env bash
# Format, clang-tidy, buf and the table of reasons. usage: lint.sh BUILD (which must be built: clang-tidy reads what ninja knows)
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$TUNESMITH_ROOT"
build=$1
python="$TUNESMITH_VENV/bin/python"
failures=0

check() {  # check NAME COMMAND…
  local name=$1 started=$SECONDS; shift
  if "$@"; then echo "ok   $name ($((SECONDS - started)) s)"; else echo "FAIL $name"; failures=$((failures + 1)); fi
}

format_is_clean() { git ls-files '*.cpp' '*.h' | xargs -r clang-format-16 --dry-run -Werror; }

schemas_are_clean() { (cd schemas && "$TUNESMITH_VENV/bin/buf" lint); }

# Breaking changes are measured against the schemas as they were before this commit.
schemas_do_not_break() {
  git rev-parse -q --verify HEAD~1 >/dev/null || return 0
  git ls-tree --name-only HEAD~1 | grep -qx schemas || return 0
  local old rc; old=$(mktemp -d)
  git archive HEAD~1 schemas | tar -x -C "$old"
  (cd schemas && "$TUNESMITH_VENV/bin/buf" breaking --against "$old/schemas"); rc=$?
  rm -rf "$old"
  return $rc
}

check "clang-format" format_is_clean
check "buf lint" schemas_are_clean
check "buf breaking" schemas_do_not_break
check "reasons" "$python" tools/check_reasons.py
check "clang-tidy" "$python" tools/tidy.py "$build" "$TUNESMITH_CACHE/tidy"
[ "$failures" = 0 ]
