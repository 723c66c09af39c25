# The door to csctrl: `make demo` and `make test` need git and make on Debian 12, nothing else.
# All else is CMake: see CMakePresets.json.
BUILD = build/release
PREFIX ?= /usr/local
MINUTES ?= 10
CTEST = ctest --output-on-failure -j2

.DEFAULT_GOAL := build

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r t h; do printf '%-14s %s\n' "$$t" "$$h"; done

setup: ## Install the Debian packages that are missing
	scripts/setup.sh

build: setup ## Build library, program, tests and examples into build/release
	cmake --preset release
	cmake --build --preset release

demo: setup ## Train on Fashion-MNIST for some minutes; ends with figures and a picture
	cmake --preset release
	cmake --build --preset release --target csctrl_product
	scripts/demo.sh $(BUILD)/tools/csctrl

test: build ## Build and run all tests
	$(CTEST) --test-dir $(BUILD)

bench: setup ## Compare with PyTorch, ONNX Runtime and torchvision; BENCH="--only move --rounds 3" for less
	cmake --preset release
	cmake --build --preset release --target csctrl_bench
	bench/setup.sh build/bench-venv
	bench/run.py $(BENCH)

install: ## Install what was built under PREFIX (default /usr/local)
	cmake --install $(BUILD) --prefix $(PREFIX)

lint: devel ## Formatting, clang-tidy, include graph, banned calls
	scripts/lint.sh

asan: setup ## Tests under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake --preset asan
	cmake --build --preset asan
	scripts/sanitized.sh asan $(CTEST) --test-dir build/asan

tsan: setup ## Tests under ThreadSanitizer
	cmake --preset tsan
	cmake --build --preset tsan
	scripts/sanitized.sh tsan $(CTEST) --test-dir build/tsan

fuzz: devel ## Fuzz every parser, MINUTES (default 10) each
	scripts/fuzz.sh $$(( $(MINUTES) * 60 ))

docs: build ## Regenerate docs/config.md and the API pages (build/doxygen)
	scripts/gen_docs.sh $(BUILD)/tools/csctrl

clean: ## Remove build/
	rm -rf build

devel:
	scripts/setup.sh dev

.PHONY: help setup build demo test bench install lint asan tsan fuzz docs clean devel
