# `make` alone prints what there is. Every target does its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help bootstrap build demo test test-cluster bench bench-server bench-proxy fuzz sanitize lint format clean install

# One build configuration for everything, so that nothing is compiled twice.
BUILD_FLAGS := -c release --explicit-target-dependency-import-check error
BIN := .build/release
# The product of all tests, and with it the programs that they start: --build-tests would compile the compiler of protocol
# buffers, too, whose output is committed.
BUILD_TESTS := swift build $(BUILD_FLAGS) --product plannerPackageTests
PROCESS_TESTS := 'CLITests|ServerTests|RemoteTests|ExecutorTests|FuzzTests|BenchTests'

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## install the Debian packages that are missing (says which and why)
	@scripts/bootstrap

build: bootstrap ## build planner and model-server into .build/release
	@swift build $(BUILD_FLAGS) --product planner
	@swift build $(BUILD_FLAGS) --product model-server

demo: build ## measure, plan, deploy and prove on real models on this machine (about 10 minutes)
	@scripts/demo

test: bootstrap ## check the formatting, build everything and run every test
	@$(MAKE) --no-print-directory lint
	@scripts/test-tools
	@# Tests with containers run where an engine can be had; where not, this says why, and they say that they are left out.
	@scripts/test-engine up >/dev/null || echo "make test: without a container engine, what needs one is not tested"
	@$(BUILD_TESTS)
	@swift test $(BUILD_FLAGS) --skip-build --disable-testable-imports --skip $(PROCESS_TESTS)
	@# What starts servers, measures or loads this machine: one at a time, with nothing beside it.
	@swift test $(BUILD_FLAGS) --skip-build --disable-testable-imports --filter $(PROCESS_TESTS) --no-parallel
	@# Two minutes of broken input; the same every time, so that a red run is somebody's change. `make fuzz` goes on.
	@$(BIN)/fuzz --seconds 120 --seed 1
	@scripts/test-engine down

test-cluster: bootstrap ## bring up a Kubernetes on this machine and run the tests that need one (docs/kubernetes.md)
	@scripts/test-tools
	@$(BUILD_TESTS)
	@scripts/test-kubernetes $(BUILD_FLAGS)

bench: build ## measure speed beside peers (ratios, in one run)
	@scripts/bench

bench-server: build ## measure the model server beside its peers; ARGS="smoke" or rows (docs/benchmarks.md)
	@swift build $(BUILD_FLAGS) --product open-loop
	@scripts/bench-server $(ARGS)

bench-proxy: build ## measure what a proxy in front of a server adds; ARGS="smoke" (docs/proxy.md)
	@swift build $(BUILD_FLAGS) --product open-loop
	@scripts/bench-proxy $(ARGS)

fuzz: bootstrap ## try RUNS mutated inputs (default 1000000) on everything that reads what others send
	@swift build $(BUILD_FLAGS) --product fuzz
	@$(BIN)/fuzz --runs $(or $(RUNS),1000000) --seed $(or $(SEED),1) $(ARGS)

sanitize: bootstrap ## run the server's tests under the address and thread sanitizers (docs/testing.md; slow)
	@scripts/sanitize $(ARGS)

lint: ## check the formatting of all Swift sources
	@swift format lint --strict --parallel --recursive Sources Tests Benchmarks Package.swift

format: ## format all Swift sources in place
	@swift format --in-place --parallel --recursive Sources Tests Benchmarks Package.swift

install: build ## copy planner and model-server to PREFIX/bin (default /usr/local)
	@install -D -m 755 -t $(DESTDIR)$(or $(PREFIX),/usr/local)/bin $(BIN)/planner $(BIN)/model-server

clean: ## remove everything that was built; keeps profiles, plans and reports
	@rm -rf .build models
