#!/usr/bin/env bash
# The main job on this machine: a Workspace goes in, a fine-tuned adapter comes out of a registry, and answers better.
#   run.sh BUILD            KEEP=1 leaves the stack up
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/env.sh"
source "$TUNESMITH_ROOT/examples/demo/model.sh"
cd "$TUNESMITH_ROOT"

bin="$(cd "$1" && pwd)/bin"
python="$TUNESMITH_VENV/bin/python"
work="$TUNESMITH_ROOT/.tunesmith/demo"
name=workspace-smollm2
repository=HuggingFaceTB/SmolLM2-135M-Instruct
file_host_pid=

if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }

# stage NAME: what follows counts as this stage in the times of the report.
stage() { printf '%s\t%s\n' "$EPOCHREALTIME" "$1" >>"$work/stages.tsv"; }

tunesmith() { "$bin/tunesmith" "$@" --dir "$work/stack"; }

finish() {
  local status=$?
  if [ "${KEEP:-}" = 1 ] && [ $status = 0 ]; then
    say "the stack stays up: $bin/tunesmith get workspace --dir $work/stack"
    say "stop it with: $bin/tunesmith down --dir $work/stack; kill $file_host_pid"
    return
  fi
  [ ! -e "$work/stack" ] || say "stopping the stack (its logs stay in $work/stack/logs)"
  tunesmith down >/dev/null 2>&1 || true
  [ -z "$file_host_pid" ] || kill "$file_host_pid" 2>/dev/null || true
}

prepare_folder() {
  [ ! -e "$work/stack" ] || tunesmith down >/dev/null 2>&1 || true
  rm -rf "$work"
  mkdir -p "$work/www/smart-home" "$work/www/models/$(dirname $repository)"
}

prepare_model_and_data() {
  say "preparing SmolLM2-135M-Instruct and the smart-home conversations"
  model=$(demo_model)
  ln -s "$model" "$work/www/models/$repository"
  "$python" examples/data/generate.py "$work/data"
  cp "$work/data/train.parquet" "$work/www/smart-home/"
}

# answer OUTPUT [ADAPTER]: what the model says to the held-out commands.
answer() {
  "$bin/tunesmith-engine" generate --model "$model" ${2:+--adapter "$2"} --data "$work/data/heldout.parquet" \
    --max-new-tokens 48 --output "$1" 2>"$work/generate.log" || { cat "$work/generate.log" >&2; return 1; }
}

# The base model's answers never change, so they are kept beside it.
answer_before() {
  local key kept
  key=$(sha256sum <"$work/data/heldout.parquet" | cut -c1-12)
  kept="$model-answers-$key.jsonl"
  if [ ! -e "$kept" ]; then
    say "asking the base model the 100 held-out commands (once)"
    answer "$kept.partial"
    mv "$kept.partial" "$kept"
  fi
  cp "$kept" "$work/before.jsonl"
}

start_file_host() {
  mkfifo "$work/ready"
  setsid "$bin/tunesmith-filehost" "$work/www" >"$work/ready" 2>"$work/file-host.log" &
  file_host_pid=$!
  local line
  read -r line <"$work/ready" || { echo "demo: the file host did not start" >&2; cat "$work/file-host.log" >&2; return 1; }
  file_host_port=${line##*\"port\":}
  file_host_port=${file_host_port%%[!0-9]*}
}

# The names of the manifest are names of this machine: the stack connects to the file host instead.
write_stack_config() {
  cat >"$work/stack.yaml" <<YAML
model_hub: http://hub.tunesmith.internal
allowed_data_hosts: [data.tunesmith.internal]
connect_to:
  "data.tunesmith.internal:80": "127.0.0.1:$file_host_port"
  "hub.tunesmith.internal:80": "127.0.0.1:$file_host_port"
YAML
}

start_stack() {
  say "starting the local stack: nats-server, registry, five services"
  start_file_host
  write_stack_config
  tunesmith up --config "$work/stack.yaml"
}

run_workspace() {
  say "tunesmith apply -f examples/workspace-smollm2.yaml"
  tunesmith apply -f examples/workspace-smollm2.yaml
  tunesmith watch "$name"
  tunesmith get workspace "$name" -o json >"$work/workspace.json"
}

# The adapter as somebody else would get it: out of the image in the registry, by digest.
fetch_adapter() {
  say "taking the adapter out of the image"
  local digest registry
  digest=$("$python" examples/demo/report.py digest "$work/workspace.json")
  registry=$(<"$work/stack/registry/address")
  skopeo copy -q --src-tls-verify=false --src-authfile "$work/stack/secrets/default/demo-registry" \
    "docker://$registry/demo/smart-home@$digest" "dir:$work/image"
  mkdir -p "$work/unpacked"
  "$python" examples/demo/report.py layers "$work/image/manifest.json" | while read -r layer; do
    tar -xf "$work/image/$layer" -C "$work/unpacked"
  done
}

main() {
  prepare_folder
  trap finish EXIT
  trap 'exit 130' INT TERM
  stage "model and data"
  prepare_model_and_data
  stage "base model's answers"
  answer_before
  stage "stack"
  start_stack
  stage "Workspace"
  run_workspace
  stage "adapter's answers"
  fetch_adapter
  say "asking the tuned model the same commands"
  answer "$work/after.jsonl" "$work/unpacked/data"
  stage ""
  "$python" examples/demo/score.py "$work/before.jsonl" "$work/after.jsonl" >"$work/score.json"
  "$python" examples/demo/report.py print "$work/workspace.json" "$work/score.json" "$work/stages.tsv"
}

main
