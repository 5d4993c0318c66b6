#!/usr/bin/env bash
# Format, clang-tidy and buf. usage: lint.sh BUILD [all]
# clang-tidy reads the files that changed since the last landing (origin/main, else the first parent); `all` = every file without torch headers.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$TUNESMITH_ROOT"
build=$1; scope=${2:-changed}
failures=0

check() {  # check NAME COMMAND…
  local name=$1 started=$SECONDS; shift
  if "$@"; then echo "ok   $name ($((SECONDS - started)) s)"; else echo "FAIL $name"; failures=$((failures + 1)); fi
}

format_is_clean() { git ls-files '*.cpp' '*.h' | xargs -r clang-format-16 --dry-run -Werror; }

schemas_are_clean() { (cd schemas && "$TUNESMITH_VENV/bin/buf" lint); }

# Breaking changes are measured against the last commit before this one that touched the schemas.
schemas_do_not_break() {
  local base
  base=$(git rev-list -1 HEAD~1 -- schemas 2>/dev/null) || true
  [ -z "$base" ] && return 0
  local old; old=$(mktemp -d)
  git archive "$base" schemas | tar -x -C "$old"
  (cd schemas && "$TUNESMITH_VENV/bin/buf" breaking --against "$old/schemas"); local rc=$?
  rm -rf "$old"; return $rc
}

# Files that pull in torch take half a minute each under clang-tidy: they are read only when they changed.
tidy_files() {
  if [ "$scope" = all ]; then
    git ls-files 'services/*.cpp' 'gpu/*.cpp' | grep -v -e _test.cpp -e '^gpu/model/' -e '^gpu/train/' -e '^gpu/serve/'
  else
    git diff --name-only --diff-filter=d "$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD~1)" -- 'services/*.cpp' 'gpu/*.cpp' | grep -v _test.cpp
  fi
}
tidy_is_clean() {
  local files; files=$(tidy_files)
  [ -z "$files" ] && return 0
  # shellcheck disable=SC2086
  printf '%s\n' $files | xargs -P "$(nproc)" -n 4 clang-tidy-16 -p "$build" --quiet 2>/dev/null
}

check "clang-format" format_is_clean
check "buf lint" schemas_are_clean
check "buf breaking" schemas_do_not_break
check "clang-tidy ($scope files)" tidy_is_clean
[ "$failures" = 0 ]
