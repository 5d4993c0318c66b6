# `make demo` shows the main job, `make test` proves the rest. Both install what they need first.
SHELL := /bin/bash
BUILD ?= build/release
JOBS  ?= $(shell nproc)
ENV   := source tools/env.sh

.PHONY: help setup configure build demo test soak fuzz lint format bench parity clean
help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

setup: ## install pinned packages, the Python folder and the Rust crates
	@tools/setup.sh

configure: setup
	@$(ENV) && { [ -f $(BUILD)/build.ninja ] || cmake -S . -B $(BUILD) -G Ninja -DTUNESMITH_SITE=$$TUNESMITH_SITE --log-level=WARNING; }

build: configure ## build everything into $(BUILD)
	@$(ENV) && ninja -C $(BUILD) -j $(JOBS) --quiet

demo: build ## a Workspace from manifest to a model that answers, on this machine
	@$(ENV) && examples/demo/run.sh $(BUILD)

test: build ## all tests; the last line is "N passed, N failed"
	@$(ENV) && $$TUNESMITH_VENV/bin/python tools/run_tests.py $(BUILD) $(SUITES)

soak: build ## every fault in every stage, then simulated histories until stopped (or for SOAK_MINUTES)
	@$(ENV) && tests/chaos/soak.sh $(BUILD)

FUZZ_SECONDS ?= 60
fuzz: build ## libFuzzer on every reader of foreign text, FUZZ_SECONDS each (60)
	@tests/fuzz/run.sh $(BUILD) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

lint: build ## format, clang-tidy, buf
	@$(ENV) && tools/lint.sh $(BUILD)

format: ## rewrite the sources in the house format
	@git ls-files '*.cpp' '*.h' | xargs clang-format-16 -i

bench: build ## engine and services against their peers, in alternating rounds
	@tools/setup.sh peers && $(ENV) && tests/bench/run.sh $(BUILD)

parity: build ## the live peers (transformers, peft, bitsandbytes) beside the engine
	@tools/setup.sh peers && $(ENV) && tests/parity/run.sh $(BUILD)

clean: ## remove the build, keep the cache
	@rm -rf build
